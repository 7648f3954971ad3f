"""What rows of a table must be like, checked before they are committed."""
