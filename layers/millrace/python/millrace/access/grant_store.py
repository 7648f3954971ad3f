"""Requests for access in the Metadata table.

- `<org>#grant` / id: a request, with its approvals; in the order of time.
- `<org>#granted` / id of a holder: what of it holds, which the authorizer reads in one call, and what waits for an answer.

Each change writes both in one transaction, on the condition that neither has changed since it was read. The line of the audit that
tells of it is in the same one: `core.audit.write` takes what is here as `also`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from millrace.access.cedar import Policies
from millrace.access.cedar import load as load_policies
from millrace.access.grants import APPROVED, REQUESTED, REVOKED, Approval, Grant, question
from millrace.access.policies import Known, entity
from millrace.core import clock, keys
from millrace.core.table import Item, Table

GRANT, GRANTED = "grant", "granted"
# Of one holder. The authorizer looks at each that holds and the gateway carries it with every call; people look at each that waits.
MOST_HELD = 20
MOST_WAITING = 20
# How long a request stays readable after its end; the audit has it longer.
_KEPT = timedelta(days=400)
# Of a transaction, as `Table.transact` takes it.
Action = dict[str, dict[str, Any]]
_MOMENTS = ("created_at", "until")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a holder has and waits for.

    Attributes:
        held: by id; those whose end has passed fall out when it is written next.
        waiting: end and scope of what was asked for, by id.
        version: rises with each change; 0 before the first.
    """

    held: dict[str, Grant] = field(default_factory=dict)
    waiting: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    version: int = 0

    def same(self, grant: Grant) -> str | None:
        """The id of what waits already for the same, as when the answer to a call was lost and it is made again."""
        ends = clock.utc_text(grant.until)
        return next(
            (
                name
                for name, (end, scope) in self.waiting.items()
                if (clock.utc_text(end), scope) == (ends, grant.scope)
            ),
            None,
        )

    def after(self, changed: Sequence[Grant], now: datetime) -> "Standing":
        """With these grants as they are now, and without what has ended."""
        names = {one.id for one in changed}
        held = {name: one for name, one in self.held.items() if one.until > now and name not in names}
        waiting = {name: one for name, one in self.waiting.items() if one[0] > now and name not in names}
        held |= {one.id: one for one in changed if one.state == APPROVED}
        waiting |= {one.id: (one.until, one.scope) for one in changed if one.state == REQUESTED}
        return Standing(held, waiting, self.version + 1)

    def open(self, now: datetime) -> list[str]:
        """Ids of what holds or waits now."""
        held = [name for name, one in self.held.items() if one.until > now]
        return [*held, *(name for name, (end, _) in self.waiting.items() if end > now)]


class GrantStore:
    """Requests of all tenants."""

    def __init__(self, metadata: Table) -> None:
        self._metadata = metadata

    def get(self, org: str, name: str) -> Grant | None:
        """A request; None if the tenant has none of this id.

        Raises:
            RetryableError: the table did not answer.
        """
        item = self._metadata.get(_key(org, GRANT, name), consistent=True, doing="read grant")
        return None if item is None else _read(item)

    def listed(
        self, org: str, after: str | None, holder: str | None, state: str | None, most: int
    ) -> list[Grant]:
        """A page of requests, the newest first.

        Args:
            org: the tenant.
            after: the id behind which the page begins.
            holder: only those of this one.
            state: only those that people see in this state.
            most: requests at most.

        Raises:
            MillraceError: the table did not answer.
        """
        rows = self._metadata.query(
            "entityTypeKey = :key",
            {":key": {"S": keys.metadata(org, GRANT)}},
            newest_first=True,
            after=None if after is None else _key(org, GRANT, after),
            doing="list grants",
        )
        page: list[Grant] = []
        now = clock.now()
        for one in map(_read, rows):
            if (holder is None or one.holder == holder) and (state is None or one.shown_state(now) == state):
                page.append(one)
                if len(page) == most:
                    break
        return page

    def standing(self, org: str, holder: str, *, consistent: bool = True) -> Standing:
        """What a holder has and waits for.

        Raises:
            RetryableError: the table did not answer.
        """
        item = self._metadata.get(
            _key(org, GRANTED, holder), consistent=consistent, doing="read what is granted"
        )
        if item is None:
            return Standing()
        document = orjson.loads(item["body"]["S"])
        return Standing(
            {one["id"]: _from_json(one) for one in document["held"]},
            {name: (clock.parse(end), scope) for name, (end, scope) in document["waiting"].items()},
            int(item["version"]["N"]),
        )

    def ending(
        self, org: str, holder: str, by: str, reason: str, now: datetime
    ) -> tuple[list[str], list[Action]]:
        """Ids of all that a holder has and waits for, and the writes that revoke it.

        Args:
            org: the tenant.
            holder: whose.
            by: name of who ends it.
            reason: why.
            now: the present moment.

        Raises:
            RetryableError: the table did not answer.
        """
        standing = self.standing(org, holder)
        found = [self.get(org, name) for name in standing.open(now)]
        ended = [one.ended(REVOKED, by, reason, now) for one in found if one is not None]
        return [one.id for one in ended], changes(ended, standing, now)


def changes(changed: Sequence[Grant], standing: Standing, now: datetime) -> list[Action]:
    """The writes of new requests of one holder, or of the next versions of some; none for none.

    Their conditions fail if one of them, or the standing, has changed since it was read.

    Args:
        changed: as they shall be.
        standing: of their holder, as it was read.
        now: the present moment.
    """
    if not changed:
        return []
    after = standing.after(changed, now)
    return [
        *({"Put": _version(_item(one), one.version)} for one in changed),
        {"Put": _version(_standing_item(changed, after), after.version)},
    ]


class Granted:
    """What approved requests add to a caller now: the authorizer's part."""

    def __init__(self, store: GrantStore) -> None:
        self._store = store

    def scopes(self, principal: Known, policies: Policies | None = None) -> tuple[str, ...]:
        """Datasets as scopes, and `personal:read`, of grants that the policies say are in force.

        Raises:
            RetryableError: the table did not answer.
        """
        held = [*self._store.standing(principal.org, principal.id, consistent=False).held.values()]
        if not held:
            return ()
        now = clock.now()
        questions = [question("use", one, principal.id, now) for one in held]
        answers = (policies or load_policies()).decide(entity(principal), questions)
        return tuple(sorted({one.scope for one, may in zip(held, answers, strict=True) if may}))


def new_id(now: datetime) -> str:
    """An id in the order of time: `20261130T121314123-9f3a0c12d4`."""
    digits = clock.utc_text(now).translate({ord(sign): None for sign in "-:.Z"})
    return f"{digits}-{secrets.token_hex(5)}"


def _key(org: str, kind: str, name: str) -> Item:
    return {"entityTypeKey": {"S": keys.metadata(org, kind)}, "entityId": {"S": name}}


def _version(item: Item, version: int) -> dict[str, Any]:
    if version == 1:
        return {"Item": item, "ConditionExpression": "attribute_not_exists(entityId)"}
    return {
        "Item": item,
        "ConditionExpression": "version = :before",
        "ExpressionAttributeValues": {":before": {"N": str(version - 1)}},
    }


def _item(grant: Grant) -> Item:
    return {
        **_key(grant.org, GRANT, grant.id),
        "version": {"N": str(grant.version)},
        "body": {"S": _body(grant)},
        "expiresAt": {"N": str(clock.epoch(grant.until + _KEPT))},
    }


def _standing_item(changed: Sequence[Grant], standing: Standing) -> Item:
    ends = [
        *(one.until for one in standing.held.values()),
        *(end for end, _ in standing.waiting.values()),
        *(one.until for one in changed),
    ]
    document = {
        "held": [orjson.Fragment(_body(one)) for one in standing.held.values()],
        "waiting": {name: (clock.utc_text(end), scope) for name, (end, scope) in standing.waiting.items()},
    }
    return {
        **_key(changed[0].org, GRANTED, changed[0].holder),
        "version": {"N": str(standing.version)},
        "body": {"S": orjson.dumps(document).decode()},
        "expiresAt": {"N": str(clock.epoch(max(ends) + _KEPT))},
    }


def _body(grant: Grant) -> str:
    return orjson.dumps(_to_json(grant)).decode()


def _to_json(grant: Grant) -> dict[str, Any]:
    document = asdict(grant)
    for name in _MOMENTS:
        document[name] = clock.utc_text(document[name])
    document["approvals"] = [{**one, "at": clock.utc_text(one["at"])} for one in document["approvals"]]
    return document


def _read(item: Item) -> Grant:
    return _from_json(orjson.loads(item["body"]["S"]))


def _from_json(document: dict[str, Any]) -> Grant:
    moments = {name: clock.parse(document[name]) for name in _MOMENTS}
    approvals = tuple(Approval(**{**one, "at": clock.parse(one["at"])}) for one in document["approvals"])
    return Grant(**{**document, **moments, "approvals": approvals, "needs": tuple(document["needs"])})
