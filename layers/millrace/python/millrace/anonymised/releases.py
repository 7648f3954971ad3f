"""Releases of tables about nobody: made once for a tenant and a period, and never again.

A second release of a period would differ from the first by what was changed meanwhile, such as by the rows of one person who
was erased or has withdrawn a consent: whoever has both has that person's rows. So the first stands, whatever comes later.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from millrace.anonymised import cells, described, risk
from millrace.anonymised.definition import Anonymised
from millrace.anonymised.grouping import Group, TooManyGroupsError, published
from millrace.anonymised.period import Period, parse
from millrace.catalog.store import CatalogStore
from millrace.core import audit, clock, exact_json
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.objects import Objects
from millrace.core.plain import plain
from millrace.core.prefixes import ANONYMISED
from millrace.core.sql import identifier, literal
from millrace.core.table import Table
from millrace.lake import duck
from millrace.privacy.suppressed import ANALYTICS
from millrace.queries.bounds import Days
from millrace.queries.errors import TooLargeQueryError
from millrace.queries.materialize import materialize
from millrace.queries.reader import operator
from millrace.queries.service import LeftOut, Limits
from millrace.queries.tables import Source, Tables

if TYPE_CHECKING:
    import duckdb

ACTION = "datasets.anonymise"
# What an answer has room for.
MOST_BYTES = 4_000_000


class UnknownReleaseError(PermanentError):
    """There is no such table, or nothing was released of the period."""


class NotSettledError(PermanentError):
    """Rows of the period may still come."""


@dataclass(frozen=True, slots=True)
class Releases:
    """Releases of all tenants.

    Attributes:
        definitions: what there may be, by name.
        tables: the lake, as queries find it.
        lake: where releases lie.
        metadata: where the audit is.
        limits: what a release may use.
        s3: the way to the lake, anew for each release.
        left_out: of a tenant and a purpose, the numbers of the people whose rows are left out.
        now: the clock.
    """

    definitions: Mapping[str, Anonymised]
    tables: Tables
    lake: Objects
    metadata: Table
    limits: Limits
    s3: Callable[[], duck.S3Access | None]
    left_out: LeftOut = lambda _, __: frozenset()
    now: Callable[[], datetime] = clock.now

    def listed(self, org: str) -> list[dict[str, Any]]:
        """Every table about nobody, and the periods that are released of it for the tenant."""
        return [
            {
                "name": one.name,
                "version": one.version,
                "description": one.description,
                "owner": one.owner,
                "source": one.source,
                "each": one.each,
                "k": one.k,
                "dimensions": [each.name for each in one.dimensions],
                "measures": [each.name for each in one.measures],
                "periods": self._periods(org, one.name),
            }
            for one in self.definitions.values()
        ]

    def get(self, org: str, name: str, period: str) -> dict[str, Any]:
        """A release.

        Raises:
            UnknownReleaseError: there is none.
            ValueError: there is no such period.
        """
        found = self._read(org, name, self._period(name, period))
        if found is None:
            raise UnknownReleaseError(f"nothing is released of {name} for {period}")
        return found

    def release(self, org: str, name: str, period: str, by: str) -> dict[str, Any]:
        """The release of a period: the one that there is, else a new one, which is in the audit before anybody can read it.

        Raises:
            UnknownReleaseError: there is no such table.
            ValueError: there is no such period.
            NotSettledError: it has not ended, or not long ago.
            TooFewPeopleError: it is of too few people.
            TooManyGroupsError, TooLargeQueryError: it is too large.
            MillraceError: a store did not answer, or the release would tell of a person.
        """
        of = self._period(name, period)
        found = self._read(org, name, of)
        if found is not None:
            self._describe(org, found)
            return found
        definition, now = self.definitions[name], self.now()
        settled = of.ends + timedelta(days=definition.settled_days)
        if now < settled:
            raise NotSettledError(f"{period} can be released from {clock.day_text(settled)} on")
        document = {
            "name": name,
            "version": definition.version,
            "period": of.name,
            "releasedAt": clock.utc_text(now),
            "k": definition.k,
            **self._made(org, definition, of),
        }
        detail = {
            "dataset": name,
            "period": of.name,
            "groups": len(document["rows"]),
            "people": document["rows"][0]["people"],
        }
        body = orjson.dumps(document)
        if len(body) > MOST_BYTES:
            raise TooManyGroupsError("the groups are more than an answer has room for: keep fewer values")
        audit.write(self.metadata, org, ACTION, by, detail)
        self.lake.put_new(_key(org, name, of), body, content_type="application/json", doing="release")
        # Of two at once the first stands.
        released = self._read(org, name, of)
        if released is None:
            raise RetryableError("the release was not kept")
        self._describe(org, released)
        return released

    def _describe(self, org: str, release: Mapping[str, Any]) -> None:
        """Has the catalog say when the newest release was made; whoever was killed before it is asked again. An older one changes nothing."""
        CatalogStore(self.metadata).put_entries([described.entry(org, release)])

    def _period(self, name: str, period: str) -> Period:
        definition = self.definitions.get(name)
        if definition is None:
            raise UnknownReleaseError(f"there is no table {name} about nobody")
        return parse(definition.each, period)

    def _periods(self, org: str, name: str) -> list[str]:
        listed = self.lake.list_objects(_folder(org, name), doing="list releases")
        return [one.key.rpartition("/")[2].removesuffix(".json") for one in listed]

    def _read(self, org: str, name: str, period: Period) -> dict[str, Any] | None:
        body = self.lake.find(_key(org, name, period), doing="read release")
        if body is None:
            return None
        found: dict[str, Any] = exact_json.loads(body)[0]
        return found

    def _made(self, org: str, definition: Anonymised, period: Period) -> dict[str, Any]:
        days = Days(clock.utc_day(period.begins), clock.utc_day(period.ends))
        source = self.tables.open(operator(org), definition.source, definition.source, None, days)
        if source is None:
            raise UnknownReleaseError(f"{definition.source} is not built yet")
        if source.bytes(definition.columns) > self.limits.read_mb * 1_000_000:
            raise TooLargeQueryError(
                f"{definition.source} has too much of one {definition.each} to be grouped"
            )
        without = self.left_out(org, ANALYTICS)
        with self._rows(source, definition, without) as (connection, relation):
            cells.make(connection, definition, relation, period)
            groups = published(connection, definition)
            found = risk.measure(
                connection, [(one.path, one.people) for one in groups], len(definition.dimensions)
            )
            found.must_be_below(definition.k)
        return {"rows": [_row(definition, one) for one in groups], "risk": found.to_json()}

    @contextmanager
    def _rows(
        self, source: Source, definition: Anonymised, without: Collection[str]
    ) -> "Iterator[tuple[duckdb.DuckDBPyConnection, str]]":
        import duckdb  # noqa: PLC0415

        with tempfile.TemporaryDirectory(prefix="anonymised-", dir=self.limits.temp_dir) as folder:
            path = Path(folder) / "rows.duckdb"
            connection = duck.connect(
                memory_mb=self.limits.memory_mb // 2,
                threads=self.limits.threads,
                temp_dir=Path(folder),
                temp_limit_mb=max(64, self.limits.temp_mb // 2),
                s3=self.s3(),
            )
            try:
                materialize(connection, path, [source], definition.columns, empty=False, without=without)
                connection.execute(f"ATTACH {literal(str(path))} AS source (READ_ONLY)")
                yield connection, ".".join(map(identifier, ("source", *source.name.split(".", 1))))
            except duckdb.OutOfMemoryException as error:
                raise TooLargeQueryError("the rows need more room than there is") from error
            except duckdb.OutOfRangeException as error:
                raise TooLargeQueryError("a sum is larger than 38 digits") from error
            except (duckdb.HTTPException, duckdb.IOException) as error:
                raise RetryableError(f"the lake could not be read: {error}") from error
            finally:
                connection.close()


def _row(definition: Anonymised, group: Group) -> dict[str, Any]:
    """A group by names; a dimension that it is not divided by is null."""
    names = [one.name for one in definition.dimensions]
    values = [*group.path, *[None] * (len(names) - len(group.path))]
    measures = plain(group.measures)
    return {
        **dict(zip(names, values, strict=True)),
        "people": group.people,
        **{one.name: value for one, value in zip(definition.measures, measures, strict=True)},
    }


def _folder(org: str, name: str) -> str:
    return f"{ANONYMISED}org={org}/{name}/"


def _key(org: str, name: str, period: Period) -> str:
    return f"{_folder(org, name)}{period.name}.json"
