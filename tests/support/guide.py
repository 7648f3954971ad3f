"""The guide (docs/guide) as a reader types it. `make guide` does so in a fresh clone, and shows how long each page takes.

What a fence of a page is:

- `sh`: commands, typed one after the other into one shell. Each has to succeed; where the line above the fence has the words
  "exits with 1", the last one of the block ends so.
- `text` right after it: whole lines of what the block prints, in this order. `…` stands for what differs from time to
  time; spaces and the lines of tables count once.
- any other below a line that ends with a file's name, "`name`:": the content of that file, or with `diff` a change of it.
- `console` and the rest: shown, not typed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
GUIDE = Path("docs") / "guide"
GOAL_MINUTES = 10
# A first `make up` without any package in a cache.
SECONDS = 900.0
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+)`:$")
_EXIT = re.compile(r"\bexits with (\d+)\b.*:$")
_SILVER = re.compile(r"millrace query .*silver\.ticket_", flags=re.DOTALL)


class GuideError(AssertionError):
    """A page does not do what it says."""


@dataclass(frozen=True)
class Block:
    """A fence of a page, with the line above it; empty where it follows another fence."""

    place: str
    language: str
    above: str
    text: str


def pages(root: Path = ROOT) -> list[Path]:
    """The pages in the order of the first one's index."""
    folder = root / GUIDE
    named = re.findall(r"\]\((\w+\.md)\)", (folder / "README.md").read_text())
    return [folder / name for name in dict.fromkeys(("README.md", *named))]


def blocks(page: Path) -> Iterator[Block]:
    """Every fence of a page, in order."""
    text, end = page.read_text(), 0
    for one in _FENCE.finditer(text):
        place = f"{page.name}:{text.count(chr(10), 0, one.start()) + 1}"
        between = text[end : one.start()].rstrip().splitlines()
        yield Block(place, one[1], between[-1] if between else "", one[2])
        end = one.end()


def commands(text: str) -> Iterator[str]:
    """The commands of a block: a line each, or more where a quote or a backslash continues it."""
    pending: list[str] = []
    for line in text.splitlines():
        pending.append(line)
        command = "\n".join(pending)
        parsed = subprocess.run(["sh", "-n", "-c", command], check=False, capture_output=True)
        if not line.endswith("\\") and not parsed.returncode:
            yield command
            pending = []
    if pending:
        yield "\n".join(pending)


def first_missing(expected: str, printed: str) -> str | None:
    """The first line that was expected and not printed after those before it."""
    lines = iter([_squeezed(line) for line in printed.splitlines()])
    for wanted in filter(None, map(_squeezed, expected.splitlines())):
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("…")))
        if wanted != "…" and not any(pattern.fullmatch(line) for line in lines):
            return wanted
    return None


def _squeezed(line: str) -> str:
    return re.sub(r"([ ━─])\1+", r"\1", line).strip()


class Reader:
    """Someone with one shell who does what the pages say, in a checkout."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        # When rows of an event type of one's own were read, by `time.monotonic`; the page that failed.
        self.silver: float | None = None
        self.failed: str | None = None
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=root,
            # As wide as the narrowest terminal that people use.
            env={**environ, "COLUMNS": "80"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the shell."""
        self._shell.communicate()

    def follow(self, page: Path) -> None:
        """Does all that a page says.

        Raises:
            GuideError: something else happened.
        """
        self.failed = page.name
        printed = ""
        for block in blocks(page):
            file = self.root / match[1] if (match := _FILE.search(block.above)) else None
            if block.language == "sh":
                printed = self._type(block)
            elif block.language == "text" and not block.above:
                missing = first_missing(block.text, printed)
                if missing is not None:
                    raise GuideError(f"{block.place}: not printed: {missing}\n--- printed\n{printed}")
            elif block.language == "diff" and file is not None:
                change(file, block)
            elif block.language != "console" and file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text)
        self.failed = None

    def _type(self, block: Block) -> str:
        wanted = int(match[1]) if (match := _EXIT.search(block.above)) else 0
        typed, printed = list(commands(block.text)), ""
        for number, command in enumerate(typed, 1):
            code, output = self._run(command)
            printed += output
            if code != (wanted if number == len(typed) else 0):
                raise GuideError(f"{block.place}: exit code {code} of: {command}\n--- printed\n{printed}")
            if self.silver is None and _SILVER.match(command):
                self.silver = time.monotonic()
        return printed

    def _run(self, command: str) -> tuple[int, str]:
        shell, mark = self._shell, uuid.uuid4().hex
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{mark} %s\\n' $?\n")
        shell.stdin.flush()
        limit = threading.Timer(SECONDS, os.killpg, (shell.pid, signal.SIGKILL))
        limit.start()
        printed: list[str] = []
        try:
            for line in shell.stdout:
                if line.startswith(mark):
                    return int(line.split()[1]), "".join(printed)
                printed.append(line)
        finally:
            limit.cancel()
        raise GuideError(f"no end after {SECONDS:.0f} s: {command}\n--- printed\n{''.join(printed)}")


def change(file: Path, block: Block) -> None:
    """Makes the change of a `diff`.

    Raises:
        GuideError: what it replaces is not in the file, or more than once.
    """
    lines = block.text.splitlines(keepends=True)
    before, after = ("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))
    text = file.read_text()
    if text.count(before) != 1:
        raise GuideError(f"{block.place}: {text.count(before)} times in {file.name}:\n{before}")
    file.write_text(text.replace(before, after))


def main() -> int:
    """Clones this checkout, follows the guide there, and removes it; 1 where the guide fails. How long it takes is shown."""
    left_out = {"PYTHONPATH", "VIRTUAL_ENV", "MILLRACE_LOCAL", "MILLRACE_API_URL", "MILLRACE_API_KEY"}
    environ = {name: value for name, value in os.environ.items() if name not in left_out}
    folder = Path(tempfile.mkdtemp(prefix="millrace-guide-"))
    # A space, as in the folders of many people.
    root = folder / "my millrace"
    started, code = time.monotonic(), 0
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True)
    try:
        with Reader(root, environ) as reader:
            for page in pages(root):
                begun = time.monotonic()
                reader.follow(page)
                sys.stdout.write(f"{page.name:<14} {time.monotonic() - begun:6.0f} s\n")
                sys.stdout.flush()
        assert reader.silver is not None, "the guide never queries silver"
        minutes = (reader.silver - started) / 60
        sys.stdout.write(f"all of it: {(time.monotonic() - started) / 60:.1f} min\n")
        sys.stdout.write(f"clone to rows of a new event type: {minutes:.1f} min, goal {GOAL_MINUTES}\n")
        sys.stdout.flush()
    except GuideError as error:
        sys.stdout.write(f"{error}\n")
        code = 1
    finally:
        subprocess.run(["make", "down"], cwd=root, env=environ, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
