"""Finds the tables of the lake in a SQL text, and the snapshots of them that it reads: `silver.x AS OF 123`.

DuckDB has no time travel over views, so each table at each moment becomes a view of its own, and the text is changed to
name it. Only names are changed: strings, comments and everything else stay as they are, so an error of DuckDB refers to
the text that was written.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from millrace.core import clock
from millrace.queries.errors import SqlError
from millrace.queries.tokens import Token, words

SCHEMAS = ("raw", "staging", "silver", "gold", "marts", "ml_features", "lake")
# Words that may follow a table's name and are not an alias.
_NO_ALIAS = frozenset(
    (  # noqa: SIM905  thirty words, not thirty lines
        "where join on using group order limit offset having qualify window union except intersect inner left right "
        "full cross natural semi anti asof positional lateral tablesample sample fetch set returning pivot unpivot for"
    ).split()
)
_KINDS = frozenset({"version", "timestamp", "system_time", "system_version"})


@dataclass(frozen=True, slots=True)
class Moment:
    """A past state of a table: a snapshot's id, or a time."""

    snapshot: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TableReference:
    """A table that a statement names, and the view that represents it."""

    table: str
    moment: Moment | None
    view: str


def rewrite(sql: str) -> tuple[str, list[TableReference]]:
    """The text with each past state of a table replaced by its view, and the tables that it names, each once.

    Raises:
        SqlError: AS OF is followed by neither a snapshot nor a time.
    """
    tokens = words(sql)
    references: dict[TableReference, None] = {}
    made, copied, at = [], 0, 0
    while at < len(tokens):
        table = _table(tokens, at)
        if table is None:
            at += 1
            continue
        end, moment = _moment(tokens, at + 3)
        reference = TableReference(table, moment, _view(table, moment))
        references[reference] = None
        if moment is not None:
            schema, name = table.split(".", 1)
            alias = "" if _has_alias(tokens, end) else f' AS "{name}"'
            made += [sql[copied : tokens[at].start], f'{schema}."{reference.view.split(".", 1)[1]}"{alias}']
            copied = tokens[end - 1].end
        at = end
    return "".join([*made, sql[copied:]]), list(references)


def _table(tokens: list[Token], at: int) -> str | None:
    if at and tokens[at - 1].text == ".":
        return None
    if (
        at + 2 >= len(tokens)
        or tokens[at + 1].text != "."
        or not (tokens[at].is_name and tokens[at + 2].is_name)
    ):
        return None
    schema = tokens[at].name
    return f"{schema}.{tokens[at + 2].name}" if schema in SCHEMAS else None


def _moment(tokens: list[Token], at: int) -> tuple[int, Moment | None]:
    """Where a table's reference ends, and the moment, if it names one."""
    start = at
    if _word(tokens, at) == "for" and _word(tokens, at + 1) in _KINDS:
        at += 2
    if _word(tokens, at) != "as" or _word(tokens, at + 1) != "of":
        return start, None
    at += 2
    if _word(tokens, at) in {"timestamp", "timestamptz", "version"}:
        at += 1
    if at < len(tokens) and tokens[at].kind == "number":
        return at + 1, Moment(snapshot=int(tokens[at].text))
    if at < len(tokens) and tokens[at].kind == "text":
        return at + 1, Moment(at=_time(tokens[at].text[1:-1]))
    raise SqlError("AS OF takes a snapshot's id, or a time in quotes such as '2026-11-21T10:00:00Z'")


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SqlError(f"AS OF '{text}' is not a time such as '2026-11-21T10:00:00Z'") from error
    return clock.as_utc(moment)


def _word(tokens: list[Token], at: int) -> str:
    return tokens[at].name if at < len(tokens) and tokens[at].kind == "word" else ""


def _has_alias(tokens: list[Token], at: int) -> bool:
    if at >= len(tokens):
        return False
    return tokens[at].kind == "quoted" or (tokens[at].kind == "word" and tokens[at].name not in _NO_ALIAS)


def _view(table: str, moment: Moment | None) -> str:
    if moment is None:
        return table
    # Without a full stop, which would end a schema's name; snapshot times have milliseconds.
    version = moment.snapshot if moment.at is None else f"{clock.epoch_millis(moment.at)}ms"
    return f"{table}@{version}"


Existing = Callable[[], Iterable[str]]


def no_such_table(table: str, existing: Existing) -> SqlError:
    """The error for a table that does not exist; it names those that may be meant, or else those that exist."""
    known = sorted(existing())
    if meant := like(table, known):
        return SqlError(
            f"there is no table {table}; did you mean {' or '.join(meant)}? SHOW TABLES lists all"
        )
    return SqlError(
        f"there is no table {table}; there are {', '.join(known) if known else 'none yet: millrace etl'}"
    )


def like(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of the names that resemble one, also without their schema; the most similar first."""
    full = {one.lower(): one for one in known}
    bare = {one.rpartition(".")[2]: whole for one, whole in full.items()}
    wanted = name.lower()
    close = [full[one] for one in get_close_matches(wanted, full, cutoff=0.85)]
    word = wanted.rpartition(".")[2]
    close += [bare[one] for one in get_close_matches(word, bare, cutoff=0.7)]
    close += [whole for one, whole in bare.items() if len(word) > 3 and word.rstrip("s") in one]
    return list(dict.fromkeys(close))[:3]
