"""Every item of a platform that has been used has its row in docs/keys.md."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client

pytestmark = pytest.mark.e2e
DOCUMENT = Path(__file__).parents[2] / "docs" / "keys.md"
KEYS = {
    "Events": ("eventId", None),
    "UserEvents": ("userKey", "sortKey"),
    "Analytics": ("metricKey", "tileKey"),
    "Metadata": ("entityTypeKey", "entityId"),
    "FeatureStore": ("featureKey", "sortKey"),
    "MLModels": ("modelKey", "version"),
    "SubjectKeys": ("subjectKey", None),
}


def documented(table: str) -> Iterator[tuple[re.Pattern[str], re.Pattern[str]]]:
    """The forms of a table's keys, as the document has them: what stands in <…> is any text without a separator."""
    section = DOCUMENT.read_text().split(f"\n## {table}\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:3]]
        if not line.startswith("|") or not cells[0]:
            continue
        for sort in cells[1] or [""]:
            yield _pattern(cells[0][-1]), _pattern(sort)


def _pattern(form: str) -> re.Pattern[str]:
    parts = re.split(r"(<[^>]*>)", form)
    return re.compile("".join("[^#]*" if part.startswith("<") else re.escape(part) for part in parts))


@pytest.mark.parametrize("table", sorted(KEYS))
def test_every_item_is_of_a_documented_kind(client: Client, table: str) -> None:
    key, sort_key = KEYS[table]
    forms = list(documented(table))
    rows: list[dict[str, Any]] = client.rows(f"{table}Table")
    if not rows:
        pytest.skip(f"no test before this one used {table}")
    for row in rows:
        name, sort = row[key]["S"], row[sort_key]["S"] if sort_key else ""
        assert any(one.fullmatch(name) and two.fullmatch(sort) for one, two in forms), (name, sort)
