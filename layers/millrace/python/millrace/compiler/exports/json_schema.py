"""A contract as the JSON Schema 2020-12 that clients can validate with.

It says all that intake checks in one event except the cross-field rules, and needs no format assertion but those of
`date-time` and `date`. A validator has to read numbers as decimals for `multipleOf: 0.0001` to be judged exactly.
"""

from typing import Any

from millrace.contracts import envelope
from millrace.contracts.contract import Contract

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def export(contract: Contract) -> dict[str, Any]:
    """JSON Schema of a whole event of this contract."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:millrace:{contract.event_type}:{contract.version}",
        "title": contract.event_type,
        "description": contract.description,
        **envelope.schema(contract.data_schema, contract.event_type, contract.ids),
    }
