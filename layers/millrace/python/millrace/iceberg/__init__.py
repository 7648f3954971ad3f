"""Iceberg tables of the lake: their shape, their commits, their maintenance."""
