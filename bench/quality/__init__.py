"""How good the models are, on card transactions that are public."""
