"""Training sets: what a tenant's tables knew at each past transaction, and whether it was fraud."""
