"""Transactions of the past for back-tests: where they are read from, and the report on what rules make of them."""
