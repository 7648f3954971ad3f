"""Rows of Events, rewritten in place, each under the condition that it is what was read."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import orjson

from cli.protecting.counts import Counts
from cli.protecting.rewriter import Rewriter
from millrace.archive import restore
from millrace.core import keys
from millrace.core.errors import PermanentError
from millrace.core.table import Item, Table, is_expired
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, from_item

WRITERS = 16
_INDEXED = ("userKey", "entityKey")


def writers() -> ThreadPoolExecutor:
    """Threads that write rows."""
    return ThreadPoolExecutor(WRITERS, thread_name_prefix="protect")


@dataclass(frozen=True, slots=True)
class EventRows:
    """Rewrites rows of Events.

    Attributes:
        events: the table.
        rewriter: says what is stored in the place of each.
        codec: of bodies.
        is_dry: whether nothing is written.
    """

    events: Table
    rewriter: Rewriter
    codec: Codec
    is_dry: bool = False
    _pool: ThreadPoolExecutor = field(default_factory=writers, init=False, repr=False)

    def rewrite(self, items: Sequence[Item]) -> Counts:
        """Rewrites those of some rows that are in clear.

        Raises:
            MillraceError: a table or KMS did not answer.
        """
        counts = Counts()
        held: dict[str, list[tuple[Item, StoredEvent]]] = defaultdict(list)
        for item in items:
            if is_expired(item):
                continue
            counts.rows += 1
            try:
                event = from_item(item, self.codec)
                held[event.org].append((item, event))
            except PermanentError:
                counts.unreadable += 1
        for org, found in held.items():
            if self.is_dry:
                counts.rewritten += sum(self.rewriter.clear(event) is not None for _, event in found)
            else:
                self._rewrite(org, found, counts)
        return counts

    def _rewrite(self, org: str, found: list[tuple[Item, StoredEvent]], counts: Counts) -> None:
        made = self.rewriter.rewritten(org, [event for _, event in found])
        changes: list[tuple[Item, Item]] = []
        for (item, old), new in zip(found, made, strict=True):
            if new is not None:
                try:
                    changes.append((item, self._item(item, old, new)))
                except orjson.JSONEncodeError:
                    counts.unreadable += 1
        for is_written in self._pool.map(lambda change: self._write(*change), changes):
            counts.rewritten += is_written
            counts.changed_meanwhile += not is_written

    def _item(self, item: Item, old: StoredEvent, new: StoredEvent) -> Item:
        """The row with another body, and with other keys of indexes where those follow from what was rewritten."""
        body = self.codec.pack(orjson.dumps(new.envelope), new.dictionary)
        made: Item = {**item, "body": {"B": body}, "fingerprint": {"B": new.fingerprint}}
        before, after = self._indexed(old), self._indexed(new)
        changed = {name: after[name] for name in after if name in item and item[name] == before.get(name)}
        return {**made, **changed}

    def _indexed(self, event: StoredEvent) -> Item:
        contract = self.rewriter.contract_of(event)
        if contract is None:
            user = event.envelope.get("userId")
            return {"userKey": {"S": keys.by_user(event.org, user)}} if user else {}
        row = restore.to_row(event, contract, self.codec)
        return {name: row[name] for name in _INDEXED if name in row}

    def _write(self, item: Item, made: Item) -> bool:
        """False where the row has changed or gone since it was read."""
        return self.events.put(
            made,
            condition="#body = :body AND fingerprint = :fingerprint",
            names={"#body": "body"},
            values={":body": item["body"], ":fingerprint": item["fingerprint"]},
            doing="rewrite a row",
        )
