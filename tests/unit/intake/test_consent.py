"""Intake heeds what persons have agreed to: drops, refuses or masks, says so, and holds a withdrawal within a minute."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import registry
from millrace.contracts.registry import Registry
from millrace.core.errors import RetryableError
from millrace.eventstore.append import Appender
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.intake.accept import Intake
from millrace.privacy.consent import Purpose, Statement
from millrace.privacy.subjects import Person
from tests.support.people import EverybodyIsKnown
from tests.unit.intake.test_accept import World, order, statuses

PURPOSES = {"marketing": Purpose("marketing", 1, "Offers.", "consent", False)}


class Asked(EverybodyIsKnown):
    """Everybody is known, and some have agreed."""

    def __init__(self) -> None:
        self.agreed: set[str] = set()
        self.reads, self.broken = 0, False

    def known(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        self.reads += 1
        if self.broken:
            raise RetryableError("no table")
        return self.known_or_new(org, names)

    def known_or_new(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        found = super().known_or_new(org, names)
        statement = {"marketing": Statement(True, 1, "2026-11-21T06:00:00.000Z", "shop").to_item()}
        return {
            name: replace(person, consents=statement if name in self.agreed else {})
            for name, person in found.items()
        }


class Shop(World):
    """`order.created` asks for consent so; all else does not."""

    def __init__(self, *rules: Mapping[str, Any]) -> None:
        super().__init__()
        self.registry, self.people = Registry(registry.load()._folder), Asked()
        known = self.registry.majors("order.created")
        assert isinstance(known, dict)
        known[1] = replace(known[1], consent=tuple({"fields": [], **rule} for rule in rules))
        self.registry._newest["order.created"] = known[1]
        appender = Appender({"table": self.table})
        self.intake = Intake(self.registry, appender, self.kept, self.keys, self.people, purposes=PURPOSES)

    def payloads(self) -> list[dict[str, Any]]:
        codec = Codec(self.registry.dictionary)
        return [from_item(item, codec).envelope["data"] for item in self.table.rows.values()]


pytestmark = pytest.mark.usefixtures("bundle")


def by(user: str) -> dict[str, Any]:
    return order(payload={"userId": user})


@pytest.mark.parametrize(
    ("without", "kept", "fate"), [("drop", 0, "kept nowhere"), ("refuse", 1, "this type needs")]
)
def test_who_has_not_agreed_is_not_stored(bundle: Path, without: str, kept: int, fate: str) -> None:
    shop = Shop({"purpose": "marketing", "without": without})
    shop.people.agreed.add("user:usr_yes")
    answered = shop.send(by("usr_yes"), by("usr_no"))
    assert statuses(answered) == ["accepted", "rejected"]
    (error,) = answered["results"][1]["errors"]
    assert error["code"] == "rule"
    assert "has not agreed to marketing" in error["message"]
    assert fate in error["message"]
    assert len(shop.table.rows) == 1
    assert len(shop.kept.entries) == kept
    assert ("quarantineId" in answered["results"][1]) is bool(kept)
    assert shop.people.reads == 1 + bool(kept), "one read for the whole request, and one for all that is kept"


def test_masked_fields_are_left_out_and_named(bundle: Path) -> None:
    shop = Shop(
        {"purpose": "marketing", "without": "mask", "fields": ["/data/payload/note", "/data/payload/none"]}
    )
    sent = order(payload={"userId": "usr_no", "note": "gift"})
    answered = shop.send(sent)
    assert statuses(answered) == ["accepted"]
    assert answered["results"][0]["masked"] == ["/data/payload/note"]
    assert "note" not in shop.payloads()[0]["payload"]
    shop.people.agreed.add("user:usr_no")
    assert statuses(shop.send(sent)) == ["duplicate"], "a retry after an agreement is the same event"
    other = order(payload={"userId": "usr_no", "note": "gift"})
    assert "masked" not in shop.send(other)["results"][0]
    assert [data["payload"].get("note") for data in shop.payloads()] == [None, "gift"]


def test_a_withdrawal_holds_for_the_next_event(bundle: Path) -> None:
    shop = Shop({"purpose": "marketing", "without": "drop"})
    shop.people.agreed.add("user:usr_1")
    assert statuses(shop.send(by("usr_1"))) == ["accepted"]
    shop.people.agreed.clear()
    assert statuses(shop.send(by("usr_1"))) == ["rejected"]


def test_where_consents_cannot_be_read_nothing_is_taken_that_needs_them(bundle: Path) -> None:
    shop = Shop({"purpose": "marketing", "without": "drop"})
    shop.people.broken = True
    answered = shop.send(by("usr_1"))
    assert statuses(answered) == ["unavailable"]
    assert not shop.table.rows


def test_contracts_that_ask_for_none_cost_no_read(bundle: Path) -> None:
    shop = Shop()
    assert statuses(shop.send(by("usr_1"))) == ["accepted"]
    assert shop.people.reads == 0


def test_a_dry_run_says_what_would_be_refused(bundle: Path) -> None:
    from millrace.intake.enrich import Origin
    from millrace.intake.parse import Candidate
    from tests.unit.intake.test_accept import NOW

    shop = Shop({"purpose": "marketing", "without": "refuse"})
    (result,) = shop.intake.replay(
        [Candidate(0, by("usr_1"))], Origin("org_acme", "shop", "r", NOW), dry_run=True
    )
    assert str(result.outcome) == "rejected"
