"""Millrace: an event data platform for AWS. One package per capability over a small floor, `core`."""

__version__ = "0.1.0"
