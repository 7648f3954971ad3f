"""Histories: what clients and streams do to the platform over days, and what must be true of it afterwards.

python -m tests.support.histories 1000000      that many deliveries, in worlds of 50,000
"""

from tests.support.histories import alerting
from tests.support.histories.invariants import check
from tests.support.histories.world import Sent, World

__all__ = ["Sent", "World", "alerting", "check"]
