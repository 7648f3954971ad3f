"""Reconciliation: whether every accepted event is in every store where it belongs, and putting it where it is not."""
