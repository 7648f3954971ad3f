"""Every AWS call that the platform makes is a point at which it may fail; the list is recorded, not chosen.

`Calls` hooks into the clients that the functions make: it records each call by function, and lets one of them go
wrong in one of eight ways. `Story` is a working day of the platform that ends in a state; whatever call went wrong
meanwhile, retries and redelivery must end in the same one.

    python -m tests.support.faultpoints            every point, every way
"""

from tests.support.faultpoints.calls import Calls, Fault, Point
from tests.support.faultpoints.story import Story, different

__all__ = ["Calls", "Fault", "Point", "Story", "different"]
