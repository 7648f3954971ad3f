"""Lines behind each other: writers at once, killed, and repeated; what an action is."""

import threading
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from millrace.api.router import Router
from millrace.audit.verify import verify_chain
from millrace.core import audit, clock
from millrace.core.audit_actions import ACTIONS
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.table import Table
from tests.support.stores import MemoryDynamoDB

ORG, ACTION = "org_acme", "pending.set-aside"
AT = datetime(2026, 11, 21, 6, tzinfo=UTC)


class Killed(Exception):  # noqa: N818
    """The writer is killed in its call."""


class Deaf:
    """As the client of AWS: it repeats a put whose answer did not come."""

    def __init__(self) -> None:
        self._client = MemoryDynamoDB()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)

    def put_item(self, **request: Any) -> Any:
        self._client.put_item(**request)
        return self._client.put_item(**request)


def metadata(client: Any = None) -> Table:
    return Table(client or MemoryDynamoDB(), "Metadata")


def lines(table: Table, org: str = ORG) -> list[audit.Line]:
    rows = table.query("entityTypeKey = :key", {":key": {"S": audit.partition(org)}})
    return [audit.of_item(org, row) for row in rows]


def is_whole(table: Table, org: str = ORG) -> bool:
    return not verify_chain(org, lines(table, org), {}, clock.now()).broken


def write(table: Table, name: str = "", org: str = ORG, **more: Any) -> bool:
    return audit.write(table, org, ACTION, "ann", {"day": "2026-11-20"}, name, pause=lambda _: None, **more)


def test_each_line_carries_the_hash_of_the_one_before() -> None:
    table = metadata()
    assert [write(table) for _ in range(3)] == [True] * 3
    assert write(table, org="org_globex")
    first, second, third = lines(table)
    assert (first.number, first.previous, first.previous_at) == (1, "", "")
    assert (second.previous, second.previous_at) == (first.hash, first.at)
    assert (third.previous, third.number) == (second.hash, 3)
    assert [line.hash == line.expected for line in (first, second, third)] == [True] * 3
    assert [line.number for line in lines(table, "org_globex")] == [1], "each tenant has its own"


def test_moments_never_fall_although_clocks_differ() -> None:
    table = metadata()
    for hour in (8, 6, 7, 9):
        write(table, at=AT.replace(hour=hour))
    assert [line.at[11:13] for line in lines(table)] == ["08", "08", "08", "09"]
    assert is_whole(table)


def test_sixteen_writers_at_once_lose_no_line() -> None:
    table = metadata()
    start = threading.Barrier(16)

    def many(who: int) -> None:
        start.wait()
        for turn in range(4):
            # Half of the lines have a name, and are written by a transaction.
            write(table, f"{who}-{turn}" if turn % 2 else "")

    threads = [threading.Thread(target=many, args=(who,)) for who in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line.number for line in lines(table)] == list(range(1, 65))
    assert is_whole(table)


@pytest.mark.parametrize("took_effect", [False, True])
@pytest.mark.parametrize("name", ["", "request-1"])
def test_a_writer_that_is_killed_leaves_a_line_or_none(name: str, took_effect: bool) -> None:
    client = MemoryDynamoDB()
    table = metadata(client)
    write(table)
    client.fault, client.took_effect = Killed(), took_effect
    client.failing["transact_write_items" if name else "put_item"] = 1
    with pytest.raises(Killed):
        write(table, name)
    assert len(lines(table)) == (2 if took_effect else 1)
    write(table, "request-2")
    assert is_whole(table)


def test_a_request_that_comes_again_has_one_line_whatever_came_between() -> None:
    table = metadata()
    assert write(table, "request#1")
    assert not write(table, "request#1")
    for _ in range(30):
        write(table)
    assert not write(table, "request#1")
    assert write(table, "request#1", org="org_globex"), "names are a tenant's own"
    assert [line.name for line in lines(table)].count("request#1") == 1
    assert is_whole(table)


def test_a_put_whose_answer_was_lost_is_not_written_again() -> None:
    table = metadata(Deaf())
    assert write(table, "the first is written by a transaction")
    assert write(table)
    assert [line.number for line in lines(table)] == [1, 2]


def test_what_is_written_with_a_line_is_written_or_neither_is() -> None:
    table = metadata()
    row = {"entityTypeKey": {"S": "org_acme#setting"}, "entityId": {"S": "x"}}
    put = [{"Put": {"Item": row, "ConditionExpression": "attribute_not_exists(entityId)"}}]
    assert write(table, also=put)
    assert not write(table, also=put), "its condition does not hold"
    assert len(lines(table)) == 1


def test_a_conflict_of_transactions_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table, left = metadata(), [2]
    transact = Table.transact

    def conflicting(self: Table, actions: Any, **how: Any) -> bool:
        if left[0]:
            left[0] -= 1
            error = RetryableError("write")
            error.code = "TransactionCanceledException"
            raise error
        return transact(self, actions, **how)

    monkeypatch.setattr(Table, "transact", conflicting)
    assert write(table, "request")
    assert (left, len(lines(table))) == ([0], 1)


def test_a_table_that_does_not_answer_is_told() -> None:
    client = MemoryDynamoDB()
    write(metadata(client))
    client.down = {"put_item"}
    with pytest.raises(RetryableError):
        write(metadata(client))


class Busy:
    """A table whose next number is always taken, each put after so many seconds, on a clock of its own."""

    def __init__(self, put_seconds: float) -> None:
        self._client, self._put_seconds = MemoryDynamoDB(), put_seconds
        self.seconds, self.pauses = 0.0, list[float]()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)

    def transact_write_items(self, **request: Any) -> Any:
        self.seconds += self._put_seconds
        audit.write(metadata(self._client), ORG, ACTION, "bob", {})
        return self._client.transact_write_items(**request)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


def test_who_is_always_overtaken_pauses_by_what_a_put_takes_and_gives_up_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Busy(put_seconds=0.2)
    write(metadata(client._client))
    monkeypatch.setattr("millrace.core.audit.random.uniform", lambda _, longest: longest)
    with pytest.raises(audit.BusyError, match="came first for 8 s"):
        audit.write(
            metadata(client),
            ORG,
            ACTION,
            "ann",
            {},
            "mine",
            pause=client.pause,
            seconds=lambda: client.seconds,
        )
    assert client.pauses == pytest.approx([0.4, 0.8, *[1.0] * 6])
    assert client.seconds < audit.SECONDS + 1.2
    assert "mine" not in {line.name for line in lines(metadata(client))}
    assert is_whole(metadata(client))


@pytest.mark.usefixtures("bundle")
def test_a_call_that_was_overtaken_for_too_long_is_told_to_come_again() -> None:
    def change(_: Any) -> None:
        raise audit.BusyError("write audit line")

    logged: list[str] = []
    router = Router({"GET /v1/audit": change}, logged.append)
    said = {"org": ORG, "principal": "ann", "scopes": "audit:read"}
    answer = router(
        {"routeKey": "GET /v1/audit", "requestContext": {"requestId": "r", "authorizer": {"lambda": said}}}
    )
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (429, "1")
    assert "at once" in orjson.loads(answer["body"])["detail"]
    assert logged == ["write audit line"]


def test_a_put_that_meets_a_transaction_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table, left = metadata(), [2]
    write(table)
    insert = Table.insert

    def conflicting(self: Table, *given: Any, **how: Any) -> Any:
        if left[0]:
            left[0] -= 1
            error = RetryableError("write")
            error.code = "TransactionConflictException"
            raise error
        return insert(self, *given, **how)

    monkeypatch.setattr(Table, "insert", conflicting)
    assert write(table)
    assert (left, len(lines(table))) == ([0], 2)


def test_actions_are_a_closed_list_and_details_are_bounded() -> None:
    table = metadata()
    with pytest.raises(PermanentError, match="not an action"):
        audit.write(table, ORG, "coffee.make", "ann", {})
    audit.write(table, ORG, ACTION, "ann", {"b": "x" * 70_000, "a": 1})
    (line,) = lines(table)
    detail = orjson.loads(line.detail)
    assert (list(detail), detail["b"]["bytes"]) == (["a", "b"], 70_002)
    assert all(sentence.endswith(".") for sentence in ACTIONS.values())


def test_a_line_costs_a_read_and_a_write() -> None:
    client = MemoryDynamoDB()
    table = metadata(client)
    write(table)
    client.calls.clear()
    write(table)
    assert client.calls == {"query": 1, "put_item": 1}
