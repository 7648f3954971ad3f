"""What an operator does with rights to AWS instead of a credential of ours: it is in the tenant's audit all the same."""

import getpass
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millrace.core.table import Table


def audit(
    metadata: "Table",
    org: str,
    action: str,
    detail: Mapping[str, Any],
    *,
    also: Sequence[Mapping[str, Any]] = (),
) -> bool:
    """Writes a line, before what it tells of is done; with writes in `also`, these and the line or neither: then False.

    Raises:
        MillraceError: the table did not take it.
    """
    from millrace.core import audit as lines

    return lines.write(metadata, org, action, f"operator {getpass.getuser()}", detail, also=also)
