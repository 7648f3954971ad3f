"""What can be wrong with the warehouse."""

from collections.abc import Sequence


class WarehouseError(Exception):
    """The dbt project does not compile; one sentence a problem, each begins with the transform."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
