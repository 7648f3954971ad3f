"""From a row to an event, by the names of its contract. Pure."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from millrace.contracts import pointers
from millrace.contracts.contract import Contract
from millrace.contracts.errors import FieldError
from millrace.core import exact_json
from millrace.eventstore.derived_ids import event_id
from millrace.imports.form import Options
from millrace.imports.occurrences import Occurrences
from millrace.imports.refused_file import RefusedFileError
from millrace.intake.parse import Candidate, exact

KIND = "import"
ENVELOPE = (
    "eventId",
    "eventType",
    "eventSource",
    "timestamp",
    "version",
    "correlationId",
    "userId",
    "sessionId",
    "environment",
    "region",
)
_PAYLOAD = ("data", "payload")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,399})")
# As JSON writes numbers, and with a plus or leading zeros, which spreadsheets write.
_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?")
# With a decimal comma: digits, or groups of three with points between them.
_GROUPED = re.compile(r"[+-]?(?:[0-9]{1,400}|[0-9]{1,3}(?:\.[0-9]{3}){1,100})(?:,[0-9]{1,400})?")
_TRUE, _FALSE = frozenset({"true", "t", "yes", "y", "1"}), frozenset({"false", "f", "no", "n", "0"})
Path = tuple[str, ...]
Cell = Callable[[Any], Any]
Places = list[tuple[Path, Cell]]
# Columns whose places are remembered; rows of JSON may have a name of their own each.
_REMEMBERED = 4_000


class RowMapping:
    """Makes candidates of intake from the rows of one file, one after the other."""

    def __init__(self, contract: Contract, org: str, options: Options, *, texts: bool) -> None:
        """Reads nothing yet.

        Args:
            contract: of the event type of the file.
            org: the tenant.
            options: what is declared about the file.
            texts: whether cells are texts, whose types the contract says, as in CSV.
        """
        self._contract, self._org, self._options, self._texts = contract, org, options, texts
        self._columns: dict[str, Places] = {}
        self._occurrences = Occurrences()
        self._nulls = frozenset(("", *options.nulls))

    def check_header(self, names: Sequence[str]) -> None:
        """Whether a file with these columns can be mapped.

        Raises:
            RefusedFileError: a declared column is not in the file, or no column says anything of the payload.
        """
        declared = {*self._options.columns, *filter(None, [self._options.id])}
        if declared - set(names):
            raise RefusedFileError("options", "a column that is declared is not in the file")
        if "data" in names and not self._texts:
            return
        paths = [path for name in names for path, _ in self._places(name)]
        if not any(path[:1] == ("data",) and _schema_at(self._contract, path) for path in paths):
            raise RefusedFileError(
                "columns",
                "no column has the name of a field of the contract: map columns, or declare the header",
            )

    def passed(self, values: Mapping[str, Any]) -> None:
        """Counts a row that was taken before, so that those behind it have the ids that they had."""
        if self._options.id is None and not self._says_id(values):
            self._occurrences.count(_digest(values))

    def candidate(self, index: int, values: Mapping[str, Any], raw: bytes) -> Candidate:
        """The event of a row, as intake judges it; `index` is the row's place in its batch."""
        event = dict(values) if self._is_event(values) else self._event(values)
        said = event.setdefault("eventType", self._contract.event_type)
        if self._options.version is not None:
            event.setdefault("version", self._options.version)
        error = None
        if said != self._contract.event_type:
            error = FieldError("/eventType", "rule", "must be the event type of the file's folder")
        if "eventId" not in event:
            if (made := self._id(values)) is None:
                error = FieldError("/eventId", "missing", "the declared id column is empty in this row")
            else:
                event["eventId"] = made
        candidate = Candidate(index, event, raw, error)
        # Texts become numbers of any length here; JSON was looked at when it was read, as a whole.
        return candidate if error is not None else exact(candidate)

    def _is_event(self, values: Mapping[str, Any]) -> bool:
        """Whether a row of JSON is an event already, not a payload or columns."""
        return not self._texts and isinstance(values.get("data"), dict) and "payload" in values["data"]

    def _event(self, values: Mapping[str, Any]) -> dict[str, Any]:
        event: dict[str, Any] = {"data": {"payload": {}}}
        nulls, texts = self._nulls, self._texts
        for column, value in values.items():
            if value is None or (value.__class__ is str and value in nulls and texts):
                continue
            places = self._columns.get(column)
            if places is None:
                places = self._places(column)
            for path, cell in places:
                _put(event, path, cell(value))
        return event

    def _places(self, column: str) -> Places:
        """Where a column goes in the event, and how its cells are read."""
        places = self._columns.get(column)
        if places is None:
            places = [(path, self._cell(path)) for path in self._paths(column)]
            if len(self._columns) < _REMEMBERED:
                self._columns[column] = places
        return places

    def _paths(self, column: str) -> list[Path]:
        if column in self._options.columns:
            pointer = self._options.columns[column]
            return [pointers.parse_once(pointer)] if pointer else []
        if column.startswith("/"):
            return [pointers.parse_once(column)]
        inside = (*_PAYLOAD, column)
        if column in ENVELOPE:
            # A payload may have a field of the same name, which says the same.
            return [(column,), *([inside] if _schema_at(self._contract, inside) else [])]
        if column == self._options.id and not _schema_at(self._contract, inside):
            return []
        if _schema_at(self._contract, inside) or "." not in column:
            return [inside]
        parts = tuple(column.split("."))
        if parts[0] in ("metadata", "payload"):
            return [("data", *parts)]
        return [(*_PAYLOAD, *parts)]

    def _cell(self, path: Path) -> Cell:
        """How the cells of a column are read: texts by the type that the contract says, JSON as it is."""
        schema = _schema_at(self._contract, path) or {}
        moment = self._moment if path == ("timestamp",) or schema.get("format") == "date-time" else None
        if moment is not None and self._options.dates is not None:
            return moment
        if not self._texts:
            return _same
        kinds = schema.get("type", "string" if len(path) == 1 else "")
        kinds = {kinds} if isinstance(kinds, str) else set(kinds)
        if "string" in kinds:
            return _same
        if "integer" in kinds or "number" in kinds:
            return self._number
        if "boolean" in kinds:
            return _boolean
        if kinds & {"array", "object"}:
            return _json
        return _same

    def _moment(self, text: Any) -> Any:
        try:
            moment = datetime.strptime(text.strip(), self._options.dates or "")  # noqa: DTZ007  UTC is set below
        except (ValueError, AttributeError):
            return text
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return moment.isoformat().replace("+00:00", "Z")

    def _number(self, text: str) -> Any:
        """A number, as JSON has it; what is none stays the text that it is, and is refused as one."""
        plain = text.strip()
        if self._options.decimal == ",":
            # Whoever writes a point as a decimal mark in such a file would be read a thousand times too high.
            if _GROUPED.fullmatch(plain) is None:
                return text
            plain = plain.replace(".", "").replace(",", ".")
        if _INTEGER.fullmatch(plain):
            return int(plain)
        if _NUMBER.fullmatch(plain):
            number = float(plain)
            return number if math.isfinite(number) else text
        return text

    def _says_id(self, values: Mapping[str, Any]) -> bool:
        if self._is_event(values):
            return "eventId" in values
        for column in self._id_columns(values):
            value = values[column]
            if value is not None and not (self._texts and value in self._nulls):
                return True
        return False

    def _id_columns(self, values: Mapping[str, Any]) -> list[str]:
        return [column for column in values if any(path == ("eventId",) for path, _ in self._places(column))]

    def _id(self, values: Mapping[str, Any]) -> str | None:
        event_type = self._contract.event_type
        if self._options.id is not None:
            named = values.get(self._options.id)
            if named is None or named == "":
                return None
            text = named if isinstance(named, str) else exact_json.dumps(named).decode()
            return event_id(self._org, KIND, event_type, "id", text)
        digest = _digest(values)
        before = self._occurrences.count(digest)
        return event_id(self._org, KIND, event_type, "row", digest.hex(), str(before))


def _digest(values: Mapping[str, Any]) -> bytes:
    """Of what a row says, whatever the order of its columns."""
    try:
        text = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        text = exact_json.dumps(dict(sorted(values.items())))
    return hashlib.sha256(text).digest()


def _schema_at(contract: Contract, path: Path) -> dict[str, Any] | None:
    """What the contract says of a field of `data`; None where it does not know it."""
    if path[:1] != ("data",):
        return None
    schema: Any = contract.data_schema
    for part in path[1:]:
        schema = schema.get("properties", {}).get(part) if isinstance(schema, dict) else None
    return schema if isinstance(schema, dict) else None


def _put(event: dict[str, Any], path: Path, value: Any) -> None:
    inner = event
    for part in path[:-1]:
        held = inner.get(part)
        if not isinstance(held, dict):
            held = inner[part] = {}
        inner = held
    inner[path[-1]] = value


def _same(value: Any) -> Any:
    return value


def _boolean(text: str) -> Any:
    said = text.strip().lower()
    return True if said in _TRUE else False if said in _FALSE else text


def _json(text: str) -> Any:
    try:
        return exact_json.loads(text.encode())[0]
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return text
