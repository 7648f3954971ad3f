"""Help, version and completion: what a user reads first."""

import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from cli.commands import COMMANDS, Commands
from cli.commands.examples import EXAMPLES
from cli.main import app, run
from millrace import __version__
from tests.support.openapi import DOCUMENT

ROOT = Path(__file__).parents[3]
NAMES = [name for entries in COMMANDS.values() for name in entries]


def commands() -> Iterator[list[str]]:
    root = typer.main.get_command(app)
    assert isinstance(root, Commands)
    for name in NAMES:
        command = root.load(name)
        yield [name]
        if isinstance(command, TyperGroup):
            yield from ([name, inner] for inner in command.commands)


@pytest.mark.parametrize("words", [[], *commands()], ids=" ".join)
def test_help_fits_80_columns_and_speaks_in_sentences(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert [line for line in shown.splitlines()[1:] if line.endswith("...")] == []
    assert "\x1b" not in shown
    if words:
        paragraph = shown.split("\n\n")[1]
        assert paragraph.rstrip()[-1] in ".`", paragraph
        assert run(["help", *words]) == 0
        assert capsys.readouterr().out == shown


def parsed(arguments: list[str]) -> str:
    """The command that a command line means, once its words are parsed as the command would; nothing is run."""
    group: Any = typer.main.get_command(app)
    context, words = group.make_context("millrace", arguments), []
    while isinstance(group, TyperGroup):
        name, group, arguments = group.resolve_command(context, arguments)
        context = group.make_context(name, arguments, parent=context)
        words.append(str(name))
        arguments = [*context._protected_args, *context.args]
    assert arguments == []
    return " ".join(words)


@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_each_command_has_examples_that_parse(words: list[str]) -> None:
    examples = EXAMPLES[" ".join(words)]
    for example in examples:
        line = example.replace("\\\n", " ").rpartition("|")[2]
        typed = shlex.split(line, comments=True)
        typed = typed[typed.index("millrace") + 1 :]
        redirected = next((at for at, word in enumerate(typed) if word in "<>"), len(typed))
        found = parsed(typed[:redirected])
        assert found == " ".join(words) or found.startswith(f"{words[0]} ")


def test_no_example_is_of_no_command() -> None:
    assert set(EXAMPLES) == {" ".join(words) for words in commands()}


def test_the_list_of_commands_has_a_line_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["help"]) == 0
    shown = capsys.readouterr().out
    for entries in COMMANDS.values():
        for name, (_, sentence) in entries.items():
            assert f"  {name:<10}  {sentence}\n" in shown
            assert sentence.endswith(".")
    assert "130         stopped with Ctrl-C" in shown


def test_help_of_no_command_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "moon"]) == 2
    assert "no command moon" in capsys.readouterr().err


def test_there_is_one_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"millrace {__version__}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "millrace.__version__"}
    assert DOCUMENT["info"]["version"] == __version__


def test_help_and_completion_import_no_command() -> None:
    """They answer within a moment: neither AWS's clients, nor DuckDB, nor HTTP are loaded."""
    code = """
import sys
from cli.main import run
try:
    run(["--help"])
    import os
    os.environ.update(_MILLRACE_COMPLETE="complete_bash", COMP_WORDS="millrace qu", COMP_CWORD="1")
    run([])
except SystemExit:
    pass
heavy = {"boto3", "botocore", "duckdb", "urllib3", "yaml", "cli.commands.query"}
print("loaded:", sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.endswith("quarantine\nquery\nloaded: []\n"), done.stdout + done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completions(shell: str) -> None:
    environ = {
        "PYTHONPATH": ":".join(sys.path),
        "_MILLRACE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "millrace quarantine re",
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": "millrace quarantine re",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli.main"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "replay" in done.stdout, done.stderr
    assert "discard" not in done.stdout
