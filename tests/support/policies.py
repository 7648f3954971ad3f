"""The policies of the checkout, compiled once a process."""

from functools import cache

from millrace.access.cedar import Policies
from millrace.compiler.policies import compile_policies
from tests.support.contracts import SCHEMAS


@cache
def in_force() -> Policies:
    """As the bundle has them."""
    compiled = compile_policies(SCHEMAS)
    return Policies(compiled["schema"], compiled["policies"])
