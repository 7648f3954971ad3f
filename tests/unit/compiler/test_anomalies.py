"""Watches: what is wrong with one, where."""

from pathlib import Path

import pytest

from millrace.anomalies.watch import Kind, Mute, Threshold, Watch
from millrace.compiler.anomalies import compile_watches
from millrace.compiler.places import located
from millrace.contracts.errors import ContractError
from tests.support.contracts import SCHEMAS

VOLUME = (SCHEMAS / "anomalies/event_volume.yaml").read_text()
AGGREGATES = [
    {
        "name": "events_by_type",
        "keys": [{"name": "type"}],
        "measures": [
            {"name": "events", "kind": "count", "half_life_seconds": 0},
            {"name": "users", "kind": "top", "half_life_seconds": 0},
            {"name": "paid", "kind": "mean", "half_life_seconds": 0},
        ],
    },
    {"name": "orders", "keys": [], "measures": [{"name": "orders", "kind": "count", "half_life_seconds": 0}]},
    {
        "name": "both",
        "keys": [{"name": "a"}, {"name": "b"}],
        "measures": [{"name": "n", "kind": "count", "half_life_seconds": 0}],
    },
]


def watched(tmp_path: Path, text: str) -> Watch:
    folder = tmp_path / "schemas/anomalies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "event_volume.yaml").write_text(text)
    (one,) = compile_watches(tmp_path / "schemas", AGGREGATES)
    return Watch.from_json(one)


def test_ours(tmp_path: Path) -> None:
    one = watched(tmp_path, VOLUME)
    assert one.scores[Kind.SILENCE] == 15
    assert one.counts
    assert one.adds
    assert 20_812 in one.holidays


def test_all_of_its_parts(tmp_path: Path) -> None:
    more = """timeZone: Europe/Berlin
thresholds: [{key: order.created, below: 1}]
mutes: [{key: page.viewed, from: 2026-12-01T00:00:00+01:00, until: 2026-12-01T12:00:00Z, reason: a campaign}]
"""
    one = watched(tmp_path, VOLUME + more)
    assert one.thresholds == (Threshold("order.created", None, 1),)
    assert one.mutes == (Mute("page.viewed", 20_787 * 24 + 23, 20_788 * 24 + 12),)
    assert one.zone == "Europe/Berlin"


WRONG = [
    ("name: event_volume", "name: volume", ":2 /name: the watch volume lies in volume.yaml"),
    (
        "events_by_type",
        "event_by_type",
        ":6 /aggregate: there is no aggregate event_by_type; did you mean events_by_type?",
    ),
    ("events_by_type", "both", ":7 /measure: both measures no events; "),
    (
        "measure: events",
        "measure: users",
        ":7 /measure: users is a top, and what is watched is one of count, sum, mean, ",
    ),
    ("measure: events", "measure: paid", ":10 /scores/silence: paid is a mean, and only counts fall silent"),
    (
        "measure: events",
        "measure: paid",
        ":10 /scores/share: values of paid do not add up, so none has a share of them",
    ),
    ("spike: 5", "spyke: 5", ":10 /scores/spyke: there is no such setting; did you mean spike?"),
    ("spike: 5", "spike: 0", ":10 /scores/spike: it has to be more than 0.0, not 0"),
    ("2026-12-25", "2026-12-32", ":12 /holidays/0/day: there is no day 2026-12-32"),
    (
        "holidays:",
        "timeZone: Europe/Berlyn\nholidays:",
        ":11 /timeZone: there is no time zone Europe/Berlyn; did you mean Europe/Berlin?",
    ),
    (
        "holidays:",
        "thresholds: [{key: a}]\nholidays:",
        ":11 /thresholds/0: a threshold has a bound, above or below",
    ),
    (
        "holidays:",
        "mutes: [{from: 2026-12-02T00:00:00Z, until: 2026-12-01T00:00:00Z, reason: x}]\nholidays:",
        ":11 /mutes/0: a mute begins at a moment, and ends an hour later or more",
    ),
    ("version: 1.0.0", "version: 1", ":3 /version: a version is major.minor.patch, such as 1.2.0, not 1"),
]


@pytest.mark.parametrize(("before", "after", "said"), WRONG)
def test_what_is_wrong_is_said(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in VOLUME
    with pytest.raises(ContractError) as caught:
        watched(tmp_path, VOLUME.replace(before, after, 1))
    lines = located(caught.value, tmp_path)
    assert any(line.startswith(f"schemas/anomalies/event_volume.yaml{said}") for line in lines), lines
