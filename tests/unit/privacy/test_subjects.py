"""People have one key each, whoever asks first, and none once they are gone."""

from typing import Any

import pytest

from millrace.core.errors import MillraceError
from millrace.core.table import Table
from millrace.privacy import identities, subjects
from millrace.privacy.subjects import Person, Remembered, Subjects
from tests.support.stores import MemoryDynamoDB

ACME, GLOBEX = "org_acme", "org_globex"


class Keys:
    """A key of its own for each tenant."""

    def key(self, org: str) -> bytes:
        return org.encode().ljust(32, b"-")


@pytest.fixture
def dynamodb() -> MemoryDynamoDB:
    return MemoryDynamoDB()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def people(dynamodb: MemoryDynamoDB, clock: Any = None, most: int = 1000) -> Subjects:
    """As a new copy of a function has them."""
    return Subjects(Table(dynamodb, "SubjectKeys"), Keys(), Remembered(most, clock=clock or Clock()))


def test_a_person_is_the_same_in_every_copy_and_another_in_every_tenant(dynamodb: MemoryDynamoDB) -> None:
    first = people(dynamodb).known_or_new(ACME, ["user:1", "user:2"])
    again = people(dynamodb).known_or_new(ACME, ["user:2", "user:1"])
    assert first == again
    other = people(dynamodb).known_or_new(GLOBEX, ["user:1"])["user:1"]
    everybody = [*first.values(), other]
    assert len({person.subject for person in everybody}) == len({person.key for person in everybody}) == 3
    assert all(0 <= person.subject < 2**53 and len(person.key) == 32 for person in everybody)


def test_unseen_people_cost_a_read_for_each_hundred_and_new_ones_a_write_each(
    dynamodb: MemoryDynamoDB,
) -> None:
    names = [f"user:{number}" for number in range(250)]
    copy = people(dynamodb)
    copy.known_or_new(ACME, names[:150])
    assert (dynamodb.calls["batch_get_item"], dynamodb.calls["transact_write_items"]) == (2, 150)
    dynamodb.calls.clear()
    copy.known_or_new(ACME, names[:150])
    assert not dynamodb.calls
    assert len(people(dynamodb).known_or_new(ACME, names)) == 250
    assert (dynamodb.calls["batch_get_item"], dynamodb.calls["transact_write_items"]) == (3, 100)


def test_of_two_copies_that_meet_a_person_at_once_both_have_the_stored_key(
    dynamodb: MemoryDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: dict[str, Person] = {}
    write = dynamodb.transact_write_items

    def beaten(**call: Any) -> Any:
        monkeypatch.setattr(dynamodb, "transact_write_items", write)
        first.update(people(dynamodb).known_or_new(ACME, ["user:1"]))
        return write(**call)

    monkeypatch.setattr(dynamodb, "transact_write_items", beaten)
    assert people(dynamodb).known_or_new(ACME, ["user:1"]) == first
    assert len(dynamodb.tables["SubjectKeys"]) == 2


def test_a_number_that_is_taken_is_drawn_again(
    dynamodb: MemoryDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drawn:
        numbers = iter([5, 5, 6])

        def getrandbits(self, _: int) -> int:
            return next(self.numbers)

    monkeypatch.setattr(subjects, "_random", Drawn())
    found = [people(dynamodb).known_or_new(ACME, [name])[name] for name in ("user:1", "user:2")]
    assert [person.subject - identities.LEAST for person in found] == [5, 6]


def test_who_is_erased_is_forgotten_within_a_minute(dynamodb: MemoryDynamoDB) -> None:
    clock = Clock()
    copy = people(dynamodb, clock)
    person = copy.known_or_new(ACME, ["user:1"])["user:1"]
    assert copy.of_numbers(ACME, [person.subject]) == {person.subject: person}
    dynamodb.tables["SubjectKeys"].clear()
    clock.now = 60.0
    assert copy.of_numbers(ACME, [person.subject]) == {}
    anew = copy.known_or_new(ACME, ["user:1"])["user:1"]
    assert anew.key != person.key
    assert anew.subject != person.subject


def test_numbers_find_their_people_and_no_others(dynamodb: MemoryDynamoDB) -> None:
    found = people(dynamodb).known_or_new(ACME, ["user:1", "user:2"])
    numbers = {person.subject: person for person in found.values()}
    assert people(dynamodb).of_numbers(ACME, [*numbers, 3]) == numbers
    assert people(dynamodb).of_numbers(GLOBEX, numbers) == {}
    dynamodb.calls.clear()
    assert people(dynamodb).of_numbers(ACME, []) == {}
    assert not dynamodb.calls


def test_no_item_says_whose_it_is(dynamodb: MemoryDynamoDB) -> None:
    person = people(dynamodb).known_or_new(ACME, ["user:ann@example.com"])["user:ann@example.com"]
    said = repr(dynamodb.tables["SubjectKeys"])
    assert "ann@" not in said
    assert repr(person.key) not in said
    assert "key" not in repr(person)


def test_a_key_that_was_moved_to_another_person_opens_nothing_and_troubles_nobody_else(
    dynamodb: MemoryDynamoDB,
) -> None:
    people(dynamodb).known_or_new(ACME, ["user:1", "user:2"])
    rows = [row for row in dynamodb.tables["SubjectKeys"].values() if "wrapped" in row]
    damaged = {**rows[0], "wrapped": rows[1]["wrapped"]}
    dynamodb.put_item(TableName="SubjectKeys", Item=damaged)
    found = people(dynamodb).known_or_new(ACME, ["user:1", "user:2"])
    assert len(found) == 1
    assert len(people(dynamodb).of_numbers(ACME, [int(row["subject"]["N"]) for row in rows])) == 1


def test_people_that_could_not_be_written_are_left_out(
    dynamodb: MemoryDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(dynamodb).known_or_new(ACME, ["user:1"])

    def refused(*_: object, **__: object) -> bool:
        raise MillraceError("no table")

    copy = people(dynamodb)
    monkeypatch.setattr(copy._table, "transact", refused)
    assert [*copy.known_or_new(ACME, ["user:1", "user:2", "user:3"])] == ["user:1"]


def test_what_is_remembered_has_a_bound() -> None:
    held, clock = Remembered(2, 50.0, Clock()), 0.0
    for number in range(3):
        held.put(str(number), Person(number, b""), clock)
        held.get("0")
    assert [held.get(str(number)) is not None for number in range(3)] == [True, False, True]
