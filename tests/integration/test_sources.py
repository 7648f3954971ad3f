"""Sources over the API: a tenant sees and pauses its own, what is paused is sent again later, and who did it is in the audit."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands import sources as command
from cli.main import app
from millrace.core import aws, clock
from millrace.core.errors import PermanentError
from millrace.feeders import states
from millrace.webhooks.secrets import MOST, Secret, SecretStore, parse, prefix, rotated, written
from tests.support.platform import ACME, GLOBEX, Platform, called
from tests.support.webhooks import SECRET, STRIPE, charge, deliver, of_stripe, set_secret

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied, and new copies of its functions, which remember no state and no secret."""
    warm.empty()
    warm.restart_all()
    set_secret(STRIPE, SECRET, overlap=timedelta(0))
    return warm


def change(running: Platform, what: str, name: str = STRIPE, **how: Any) -> dict[str, Any]:
    return running.call(f"/v1/sources/{{name}}/{what}", b"", function="manage_access", name=name, **how)


def listed(running: Platform, org: str) -> dict[str, dict[str, Any]]:
    answer = called(running, "GET /v1/sources", "manage_access", org=org)
    return {one["name"]: one for one in answer["body"]["items"]}


def audited(running: Platform, org: str = ACME) -> list[tuple[str, str]]:
    answer = running.get("/v1/audit", org=org)
    found = [(one["action"], one["principal"]) for one in answer["body"]["items"]]
    return [one for one in found if one[0].startswith("sources.")]


def test_a_tenant_lists_its_own_sources_and_no_secret_is_shown(running: Platform) -> None:
    found = listed(running, ACME)
    assert set(found) == {"platform-bus", STRIPE}
    assert found[STRIPE]["path"] == "/v1/webhooks/stripe"
    assert (found[STRIPE]["scheme"], found[STRIPE]["state"]) == ("stripe", "active")
    assert found["platform-bus"]["path"] is None
    assert SECRET not in json.dumps(found)
    assert set(listed(running, GLOBEX)) == {"demo-service", "demo-webhooks", "paypal"}


def shown(running: Platform, name: str = STRIPE, org: str = ACME, **how: Any) -> dict[str, Any]:
    answer = called(running, "GET /v1/sources/{name}", "manage_access", org=org, name=name, **how)
    return {"status": answer["status"], **answer["body"]}


def test_a_source_says_when_it_was_seen_last_and_what_it_brought(running: Platform) -> None:
    before = listed(running, ACME)[STRIPE]
    assert (before["lastSeenAt"], before["late"]) == (None, False)
    assert shown(running)["hours"] == []
    first, second = charge(1), charge(2)
    for one in (first, second, first):
        deliver(running, STRIPE, one)
    changed = {**first["data"]["object"], "amount_captured": 1}
    deliver(running, STRIPE, {**first, "data": {"object": changed}})
    deliver(running, STRIPE, charge(3, currency="euro"))
    forged = json.dumps(charge(9)).encode()
    deliver(running, STRIPE, forged, of_stripe(forged, "x"))
    running.restart_all()
    deliver(running, STRIPE, charge(4))
    # Two where the hour turns meanwhile.
    hours = shown(running)["hours"]
    total = sum((Counter({name: n for name, n in one.items() if name != "hour"}) for one in hours), Counter())
    assert dict(total) == {"accepted": 3, "duplicates": 1, "conflicts": 1, "rejected": 1}
    seen = listed(running, ACME)[STRIPE]["lastSeenAt"]
    assert seen is not None
    assert abs(clock.parse(seen) - clock.now()) < timedelta(minutes=1)
    assert hours[0]["hour"] == f"{seen[:13]}:00:00Z"
    assert listed(running, ACME)["platform-bus"]["lastSeenAt"] is None
    assert shown(running, org=GLOBEX)["status"] == 404
    assert shown(running, name="unknown")["status"] == 404


def test_a_post_of_the_tenants_own_is_no_source(running: Platform) -> None:
    running.post(charge())
    assert shown(running)["hours"] == []


def test_what_is_paused_is_sent_again_later_and_then_taken(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "KEPT_SECONDS", 0.0)
    paused = change(running, "pause")
    assert (paused["status"], paused["body"]["state"]) == (200, "paused")
    assert change(running, "pause")["body"] == paused["body"], "the second changes nothing"
    assert listed(running, ACME)[STRIPE]["changedAt"] == paused["body"]["changedAt"]
    answer = deliver(running, STRIPE, charge())
    assert answer["status"] == 503
    assert int(answer["headers"]["retry-after"]) >= 60
    assert not running.get("/v1/events", query={"eventType": "payment.captured"})["body"]["items"]
    forged = json.dumps(charge()).encode()
    assert deliver(running, STRIPE, forged, of_stripe(forged, "x"))["status"] == 401, "nobody else learns it"
    assert change(running, "resume")["body"]["state"] == "active"
    assert deliver(running, STRIPE, charge())["body"]["accepted"] == 1
    who = paused["body"]["changedBy"]
    assert audited(running) == [("sources.resume", who), ("sources.pause", who)]


def test_a_warm_function_remembers_a_state_for_half_a_minute(running: Platform) -> None:
    assert deliver(running, STRIPE, charge())["status"] == 200
    change(running, "pause")
    assert deliver(running, STRIPE, charge(2))["status"] == 200
    running.restart_all()
    assert deliver(running, STRIPE, charge(3))["status"] == 503


def test_sources_of_others_and_of_other_kinds_are_not_paused(running: Platform) -> None:
    assert change(running, "pause", org=GLOBEX)["status"] == 404
    assert change(running, "pause", name="unknown")["status"] == 404
    assert change(running, "pause", name="a b")["status"] == 404
    bus = change(running, "pause", name="platform-bus")
    assert bus["status"] == 409
    assert "EventBridge does not bring again" in bus["body"]["detail"]
    assert change(running, "pause", scopes="sources:read")["status"] == 403


def test_a_secret_is_set_from_stdin_and_shown_nowhere(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = SimpleNamespace(env="local", client=aws.client, output=lambda _: "Metadata")
    monkeypatch.setattr(command, "find_target", lambda _: target)

    def ran(given: str, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["sources", "secret", *arguments], input=given)
        return result.exit_code, result.output + str(result.exception or "")

    code, said = ran("whsec_from_the_provider\n", STRIPE, "--overlap", "2h", "--json")
    assert code == 0, said
    assert json.loads(said.splitlines()[-1]) == {"source": STRIPE, "org": ACME, "good": 2}
    assert "whsec" not in said
    body = json.dumps(charge()).encode()
    for secret in ("whsec_from_the_provider", SECRET):
        assert deliver(running, STRIPE, body, of_stripe(body, secret))["status"] == 200
    lines = [one for one in running.get("/v1/audit")["body"]["items"] if one["action"] == "sources.secret"]
    assert lines[0]["detail"] == {"source": STRIPE, "overlap": "2h"}
    for given, arguments, wanted in (
        ("", [STRIPE], "nothing came on stdin"),
        ("x", ["strip"], "did you mean stripe?"),
        ("x", ["canary"], "which has no secret"),
        ("whsec_%%%", ["demo-service"], "copy it from the provider"),
        ("x", [STRIPE, "--overlap", "31d"], "at most 30d"),
    ):
        code, said = ran(given, *arguments)
        assert code != 0
        assert wanted in said


def test_secrets_end_with_their_overlap_and_do_not_pile_up() -> None:
    first = rotated((), "a", NOW, HOUR)
    assert first == (Secret("a"),)
    second = rotated(first, "b", NOW, HOUR)
    assert second == (Secret("b"), Secret("a", NOW + HOUR))
    third = rotated(second, "c", NOW, 3 * HOUR)
    assert third == (Secret("c"), Secret("b", NOW + 3 * HOUR), Secret("a", NOW + HOUR)), "none lives longer"
    assert rotated(third, "d", NOW, timedelta(0)) == (Secret("d"),)
    assert rotated(third, "b", NOW, HOUR) == (Secret("b"), Secret("c", NOW + HOUR), Secret("a", NOW + HOUR))
    many: tuple[Secret, ...] = first
    for number in range(20):
        many = rotated(many, f"s{number}", NOW, HOUR)
    assert len(many) == MOST
    assert many[0].value == "s19"
    assert parse(written(third)) == third
    for wrong in ("", "  ", "x" * 4097):
        with pytest.raises(PermanentError):
            rotated(first, wrong, NOW, HOUR)


@pytest.mark.parametrize("text", ["", "{}", '{"secrets": [{"value": "hush"}]}', '{"secrets": 7}', "hush"])
def test_a_document_that_is_none_is_told_without_a_word_of_it(text: str) -> None:
    with pytest.raises(PermanentError) as refused:
        parse(text)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_secret_is_read_again_only_when_it_is_time(running: Platform) -> None:
    seconds = [0.0]
    store = SecretStore(aws.client("secretsmanager"), prefix("local"), lambda: seconds[0])
    now = clock.now()
    assert store.good(STRIPE, now) == (SECRET,)
    set_secret(STRIPE, "b")
    assert store.good(STRIPE, now) == (SECRET,)
    assert store.good(STRIPE, now, again=True) == (SECRET,)
    seconds[0] = 5.0
    assert store.good(STRIPE, now, again=True) == ("b", SECRET)
    set_secret(STRIPE, "c")
    seconds[0] = 64.9
    assert store.good(STRIPE, now) == ("b", SECRET)
    seconds[0] = 65.0
    assert store.good(STRIPE, now) == ("c", "b", SECRET)
    assert store.good("unknown", now) == ()
