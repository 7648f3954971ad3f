"""`millrace sql`: a shell for SQL over the lake, with history and completion; it also reads statements from a pipe."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cli import results
from cli.commands.query import AllTenants, Org, Wide, chosen_tenant, first, several, show, write_json
from cli.errors import CommandError
from cli.lake import Lake
from cli.options import Env, Json
from cli.output import complain, err, out
from cli.target import Target, find_target
from millrace.queries.references import rewrite
from millrace.queries.tokens import split, words

HISTORY_LINES = 2_000
# They are complete without a semicolon, as an answer to what people type.
_WHOLE = re.compile(r"\s*(show\s+tables|(describe|desc|summarize)\s+[\w.\"]+)\s*", re.IGNORECASE)
HELP = """\
A statement ends with a semicolon and may have several lines. Ctrl-C stops it, Ctrl-D leaves.
  show tables;        \\d          all tables
  describe TABLE;     \\d TABLE    the columns of a table
  summarize TABLE;                smallest and largest value, nulls, … of every column
  \\x                              each row by itself, on and off
  \\q                              leave"""
# Of DuckDB, those that a reader begins words with.
KEYWORDS = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "JOIN",
    "LEFT",
    "INNER",
    "FULL",
    "CROSS",
    "USING",
    "WITH",
    "AS",
    "DISTINCT",
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AND",
    "OR",
    "NOT",
    "NULL",
    "LIKE",
    "BETWEEN",
    "QUALIFY",
    "OVER",
    "PARTITION",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "DESCRIBE",
    "SUMMARIZE",
    "EXPLAIN",
    "SHOW",
    "TABLES",
    "DESC",
    "INTERVAL",
    "TIMESTAMPTZ",
    "DATE",
    "CAST",
]


class Shell:
    """One session: statements run one after the other on one connection."""

    def __init__(self, lake: Lake, *, wide: bool, as_json: bool) -> None:
        self._lake, self._wide, self._as_json = lake, wide, as_json
        self._vertical = False
        self._tables: list[str] | None = None

    def run(self, statement: str) -> None:
        """Runs one statement and prints its rows.

        Raises:
            CommandError: as `Lake.ask`.
        """
        with err.status("querying …") as waiting, self._lake.ask(statement) as answer:
            if self._as_json:
                waiting.stop()
                write_json(answer)
                return
            rows, more = first(answer)
            waiting.stop()
            results.paged(lambda: show(answer.names, rows, more, wide=self._wide, vertical=self._vertical))

    def line(self, text: str) -> bool:
        """Runs a line that is a command of the shell; returns whether to go on."""
        name, _, rest = text.strip().rstrip(";").partition(" ")
        match name.lower():
            case "\\q" | "quit" | "exit":
                return False
            case "\\x":
                self._vertical = not self._vertical
                out.print("each row by itself" if self._vertical else "rows as a table where it fits")
            case "\\d":
                self.run(f"DESCRIBE {rest}" if rest.strip() else "SHOW TABLES")
            case "\\?" | "\\h" | "help":
                out.print(HELP, markup=False)
            case _:
                complain(f"{name} is not a command of this shell; \\? lists them")
        return True

    def words(self, begun: str, line: str) -> list[str]:
        """What may complete a word: tables, the columns of those that are named, keywords."""
        if self._tables is None:
            self._tables = self._lake.tables()
        columns: list[str] = []
        with suppress(Exception):
            # A statement that is half written may be wrong in any way.
            named = [one.table for one in rewrite(line)[1] if one.table in self._tables]
            columns = sorted({column for table in named for column in self._lake.columns(table)})
        known = [*self._tables, *columns, *KEYWORDS]
        return [one for one in known if one.lower().startswith(begun.lower())]


def sql(
    *,
    wide: Wide = False,
    org: Org = None,
    all_tenants: AllTenants = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Open a shell for SQL over the lake, or run the statements of standard input.

    Nothing is changed. Tenants are chosen as for `query`.
    """
    target = find_target(env)
    chosen = chosen_tenant(target, org, all_tenants=all_tenants)
    with Lake(target, chosen) as lake:
        shell = Shell(lake, wide=wide, as_json=as_json)
        if sys.stdin.isatty():
            _interact(shell, target, chosen, all_tenants=all_tenants)
        else:
            _run_all(shell, sys.stdin.read())


def _run_all(shell: Shell, text: str) -> None:
    """Runs statement after statement; the first that fails ends the command."""
    lines = text.splitlines()
    # Commands of the shell take a line each.
    while lines:
        line = lines.pop(0)
        if _is_command(line):
            if not shell.line(line):
                return
            continue
        buffer = line
        while lines and (split(buffer)[1] or not words(buffer)):
            if not words(buffer) and _is_command(lines[0]):
                break
            buffer += "\n" + lines.pop(0)
        statements, rest = split(buffer)
        for statement in [*statements, *([rest] if words(rest) else [])]:
            shell.run(statement)


def _interact(shell: Shell, target: Target, org: str | None, *, all_tenants: bool) -> None:
    whose = f"rows of {org}" if org else ("" if all_tenants else several(target))
    out.print(f"{target.env}{f': {whose}' if whose else ''}\n\\? for help, \\q to leave", markup=False)
    with _editing(shell):
        while True:
            try:
                if not _statements(shell):
                    return
            except EOFError:
                out.print()
                return
            except KeyboardInterrupt:
                err.print("stopped")
            except CommandError as error:
                complain(str(error))


def _statements(shell: Shell) -> bool:
    """Reads until a statement ends, and runs what was read; returns whether to go on."""
    buffer = input("millrace> ")
    if _is_command(buffer):
        return shell.line(buffer)
    if _WHOLE.fullmatch(buffer):
        shell.run(buffer)
        return True
    while words(split(buffer)[1]):
        buffer += "\n" + input("      … ")
    for statement in split(buffer)[0]:
        shell.run(statement)
    return True


def _is_command(line: str) -> bool:
    begun = line.strip().rstrip(";").lower()
    return begun.startswith("\\") or begun in {"quit", "exit", "help"}


@contextmanager
def _editing(shell: Shell) -> Iterator[None]:
    """Keys, completion and history of the line, where Python was built with readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    completions: list[str] = []

    def complete(begun: str, number: int) -> str | None:
        if number == 0:
            completions[:] = shell.words(begun, readline.get_line_buffer())
        return completions[number] if number < len(completions) else None

    file = _history_file()
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n,()=<>;+-*/")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            # Statements may name people: nobody else reads them.
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
            readline.write_history_file(file)


def _history_file() -> Path:
    """Where programs of this user keep such files (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "millrace" / "sql_history"
