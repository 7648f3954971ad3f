"""How far the archive is in the log: one Metadata row a shard, written once a batch, after what the batch left.

Of a shard the records up to the position are settled: archived, or dead letters of the archive. Lambda hands over a shard's
batches one after the other, so a position only goes forward; a batch that is fed again later does not take it back.
"""

from datetime import datetime, timedelta

from millrace.core import clock, keys
from millrace.core.table import Table
from millrace.eventstore.receipts import KEPT_DAYS

ENTITY = "archived"
SHARD = "0"
# Sequence numbers have no fixed length; filled up with zeros they are ordered as text. The longest so far has 56 digits.
_DIGITS = 64


def partition() -> str:
    """`platform#archived#0`: of all shards, because a run looks at them all."""
    return keys.metadata("platform", ENTITY, SHARD)


def record(metadata: Table, shard: str, sequence: str, at: datetime) -> bool:
    """Keeps that a shard is settled up to a record.

    Args:
        metadata: the table.
        shard: of the log.
        sequence: number of the last record that is settled.
        at: when that record arrived.

    Returns:
        False where the shard was settled further already.

    Raises:
        MillraceError: the table did not take it.
    """
    expires_at = clock.now() + timedelta(days=KEPT_DAYS)
    return metadata.put(
        {
            "entityTypeKey": {"S": partition()},
            "entityId": {"S": shard},
            "position": {"S": sequence.zfill(_DIGITS)},
            # As the log writes it, which is how it is asked for.
            "sequence": {"S": sequence},
            "at": {"S": clock.utc_text(at)},
            "expiresAt": {"N": str(clock.epoch(expires_at))},
        },
        condition="attribute_not_exists(#position) OR #position < :position",
        names={"#position": "position"},
        values={":position": {"S": sequence.zfill(_DIGITS)}},
        doing="keep how far the archive is",
    )


def read(metadata: Table) -> dict[str, str]:
    """Shard → sequence number of the last record that is settled.

    Raises:
        MillraceError: the table did not answer.
    """
    rows = metadata.query(
        "entityTypeKey = :all",
        {":all": {"S": partition()}},
        consistent=True,
        doing="read how far the archive is",
    )
    return {row["entityId"]["S"]: row["sequence"]["S"] for row in rows}
