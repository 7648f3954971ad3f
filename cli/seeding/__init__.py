"""Realistic events of a shop and its payments, identical for the same seed. No I/O, no clock."""

from cli.seeding.past import past
from cli.seeding.timeline import timeline

__all__ = ["past", "timeline"]
