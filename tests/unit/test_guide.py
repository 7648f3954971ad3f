"""What is read from a page of the guide; the pages themselves are typed by tests/e2e/test_walkthrough.py."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support import guide
from tests.unit.cli.test_help import parsed

WIDTH = 80
PAGE = """# A page

`notes.txt`:

```json
old
kept
```

In `notes.txt`:

```diff
-old
+new
 kept
```

It exits with 3:

```sh
NAME="two
lines"
echo "$NAME"; (exit 3)
```
```text
two
…
```
```console
$ rm notes.txt
```
"""


def test_a_reader_does_what_a_page_says(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with guide.Reader(tmp_path, {"PATH": "/usr/bin:/bin"}) as reader:
        reader.follow(page)
        assert (tmp_path / "notes.txt").read_text() == "new\nkept\n"
        page.write_text(PAGE.replace("…\n", "three\n"))
        with pytest.raises(guide.GuideError, match=r"page\.md:\d+: not printed: three"):
            reader.follow(page)
        page.write_text(PAGE.replace("exits with 3", "works"))
        with pytest.raises(guide.GuideError, match="exit code 3"):
            reader.follow(page)
        page.write_text(PAGE.replace("-old", "-older"))
        with pytest.raises(guide.GuideError, match=r"0 times in notes\.txt"):
            reader.follow(page)


@pytest.mark.parametrize(
    ("expected", "missing"),
    [("a\nc", None), ("a … d", None), ("┏━┳━┓\n│ x │ … │", None), ("c\na", "a"), ("a b", "a b")],
)
def test_lines_are_expected_whole_and_in_order(expected: str, missing: str | None) -> None:
    printed = "a\n  c  \na   b c d\n┏━━━━┳━━┓\n│ x  │ 17 │\n"
    assert guide.first_missing(expected, printed) == missing


@pytest.mark.parametrize("page", guide.pages(), ids=lambda page: page.stem)
def test_what_a_page_shows_fits_a_terminal(page: Path) -> None:
    wide = [line for block in guide.blocks(page) for line in block.text.splitlines() if len(line) > WIDTH]
    assert wide == []


def test_every_page_is_in_the_index() -> None:
    folder = guide.ROOT / guide.GUIDE
    assert sorted(guide.pages()) == sorted(folder.glob("*.md"))


def test_commands_that_are_shown_and_not_typed_exist() -> None:
    shown = [
        shlex.split(line[2:])[1:]
        for page in guide.pages()
        for block in guide.blocks(page)
        if block.language == "console"
        for line in block.text.splitlines()
        if re.match(r"\$ millrace ", line)
    ]
    assert len(shown) > 5
    assert all(" ".join(arguments).startswith(parsed(arguments)) for arguments in shown)
