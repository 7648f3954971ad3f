"""Which tables there are, where they come from and what would break."""
