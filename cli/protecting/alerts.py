"""Rows of alerts, which follow from events of users: the key of the index by user, and what they say of it, rewritten in place."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from cli.protecting.counts import Counts
from cli.protecting.rewriter import Rewriter, with_numbers
from millrace.alerts.rows import STATES
from millrace.core import clock, keys
from millrace.core.table import Item, Table
from millrace.privacy.identities import is_number


@dataclass(frozen=True, slots=True)
class AlertRows:
    """Rewrites rows of alerts.

    Attributes:
        analytics: where they are.
        rewriter: says what stands for a user.
        is_dry: whether nothing is written.
    """

    analytics: Table
    rewriter: Rewriter
    is_dry: bool = False

    def rewrite(self, org: str) -> Counts:
        """Rewrites a tenant's.

        Raises:
            MillraceError: a table or KMS did not answer.
        """
        counts = Counts()
        rows = self.analytics.query(
            "metricKey = :alerts",
            {":alerts": {"S": keys.join(org, "alert")}},
            consistent=True,
            doing="read alerts",
        )
        for row in rows:
            counts.rows += 1
            user = keys.user_of(row["userKey"]["S"])[1] if {"userKey", "raised"} <= row.keys() else None
            if user and not is_number(user):
                counts.rewritten += 1
                if not self.is_dry:
                    self._rewrite(org, row, user)
        return counts

    def _rewrite(self, org: str, row: Item, user: str) -> None:
        at = clock.parse(row["raised"]["S"].partition(keys.SEPARATOR)[0])
        (number,) = self.rewriter.standing_for(org, [(user, at)])
        told = dict(_payloads(row, {user: number}))
        self.analytics.update(
            {name: row[name] for name in ("metricKey", "tileKey")},
            f"SET userKey = :user{''.join(f', {name} = :{name}' for name in told)}",
            condition="userKey = :before",
            values={
                ":user": {"S": keys.by_user(org, number)},
                ":before": row["userKey"],
                **{f":{name}": {"S": text} for name, text in told.items()},
            },
            doing="rewrite an alert",
        )


def _payloads(row: Item, numbers: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name in (f"{state}Payload" for state in STATES):
        if name in row:
            said = orjson.loads(row[name]["S"])
            texts = {one: with_numbers(text, numbers) for one, text in said.items() if isinstance(text, str)}
            yield name, orjson.dumps({**said, **texts}).decode()
