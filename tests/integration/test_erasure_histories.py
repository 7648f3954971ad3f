"""Histories of a person: whatever was accepted and refused, in any order and with copies begun anew, an erasure leaves nothing of it."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from tests.support import events
from tests.support.erasing import Requests
from tests.support.platform import Platform

WHO, OTHER = "usr_vera", "usr_other"
STEPS = 12


def bodies(user: str, at: str) -> list[bytes]:
    """What is refused about a user, by its contract, by none, and because nobody can read it."""
    sound = events.shipped_order(user=user, timestamp=at)
    wrong = events.shipped_order(user=user, timestamp=at, payload={"totalAmount": -1})
    foreign = {"timestamp": at, "eventType": "track:No Such", "data": {"payload": {"user_id": user}}}
    texts = {**sound, "data": {"payload": json.dumps({"userId": user})}}
    return [json.dumps(one).encode() for one in (wrong, foreign, texts)] + [json.dumps(sound).encode()[:-9]]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_who_was_erased_is_left_in_quarantine_and_all_of_others_is(
    warm: Platform, seed: int
) -> None:
    warm.empty()
    warm.restart_all()
    chance = random.Random(seed)
    past = events.moment(timedelta(hours=1))
    sent = {user: bodies(user, past) for user in (WHO, OTHER)}
    kept: dict[str, set[str]] = {WHO: set(), OTHER: set()}
    requests, erasures = Requests(warm), 0
    warm.post([events.shipped_order(user=WHO, timestamp=past)])
    for step in range(STEPS):
        user = chance.choice((WHO, OTHER))
        does = chance.choice(("refuse", "refuse", "refuse", "accept", "restart", "erase"))
        if does == "refuse":
            (result,) = warm.post(chance.choice(sent[user]))["body"]["results"]
            assert result["status"] == "rejected"
            assert ("quarantineId" in result) is not (user == WHO and erasures > 0), (step, result)
            kept[user] |= {result["quarantineId"]} if "quarantineId" in result else set()
        elif does == "accept":
            (result,) = warm.post([events.shipped_order(user=user, timestamp=past)])["body"]["results"]
            assert result["status"] == ("rejected" if user == WHO and erasures else "accepted")
        elif does == "restart":
            warm.restart_all()
        elif not erasures or step == STEPS - 1:
            _erase(warm, requests)
            erasures, kept[WHO] = erasures + 1, set()
        assert _listed(warm) == kept[WHO] | kept[OTHER]
        _require_no_id(warm)
    _erase(warm, requests)
    assert _listed(warm) == kept[OTHER]


def _erase(running: Platform, requests: Requests) -> None:
    assert requests.ask("DELETE /v1/subjects/{id}", id=WHO)["status"] == 202
    assert {one.status for one in requests.carry_out()} <= {"SUCCEEDED"}
    running.restart_all()  # a minute later no copy remembers the person


def _listed(running: Platform) -> set[str]:
    items: list[dict[str, Any]] = running.get("/v1/quarantine", query={"limit": "500"})["body"]["items"]
    return {one["quarantineId"] for one in items}


def _require_no_id(running: Platform) -> None:
    for row in running.rows("Metadata"):
        assert WHO not in repr(row)
    for key, stored in running.objects("quarantine/").items():
        assert WHO.encode() not in stored, key
