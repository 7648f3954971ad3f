"""YAML and JSON as documents that JSON can say, from our own files and from outside."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.pointers import parse

# Characters of a parser's message that are passed on.
SENTENCE = 300
# Of a file of ours; the largest has 80 kB. What is larger is not a document that somebody wrote.
LARGEST_BYTES = 2_000_000


class OnceLoader(yaml.SafeLoader):
    """YAML in which a key stands once: the usual loader silently keeps the last.

    Only what is written as JSON writes it is not text: `NO`, `on`, `22:30`, `007`, `1_000` and `2026-11-21` are the texts
    that stand there.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen, before = set(), ""
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            problem = f"{key} stands here twice" if key in seen else ""
            if "(" in before and ")" not in before and str(key).endswith(")"):
                problem = f'within {{ }} a comma ends a value: write "{before},{key}" in quotes'
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
            before = value_node.value if isinstance(value_node, yaml.ScalarNode) else ""
        # By name: the parser in C takes this method over, and it stands on the same constructor.
        return yaml.constructor.SafeConstructor.construct_mapping(self, node, deep)


OnceLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", "-0123456789"),
    ("merge", r"<<", "<"),
):
    OnceLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first)
    )

_CLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FastLoader(_CLoader):  # type: ignore[misc]
    """The same rules on the parser in C, where it is there: a tenth of the time."""

    construct_mapping = OnceLoader.construct_mapping
    yaml_implicit_resolvers = OnceLoader.yaml_implicit_resolvers


def yaml_file(path: Path, name: str) -> Any:
    """The document of one of our own files.

    Raises:
        ContractError: the file cannot be read, or is not YAML.
    """
    try:
        return yaml_document(path.read_bytes(), name)
    except OSError as error:
        raise ContractError([ContractProblem(name, "", f"cannot be read: {error.strerror}")]) from error


def yaml_document(text: bytes, name: str) -> Any:
    """The document that is the content of one of our own files.

    Raises:
        ContractError: it is not YAML.
    """
    if len(text) > LARGEST_BYTES:
        sentence = f"it has {len(text):,} bytes, and a document at most {LARGEST_BYTES:,}: it is data, or belongs in several files"
        raise ContractError([ContractProblem(name, "", sentence)])
    try:
        return json.loads(_json_of(text))
    except ContractError:
        # The errors of the parser in C do not show the line.
        return parse_document(text, name)


@lru_cache(maxsize=512)
def _json_of(text: bytes) -> str:
    """A document as a text that is read in a hundredth of the time: a comparison of two revisions reads most files twice.

    Raises:
        ContractError: it is not YAML. Its name is left out.
    """
    return json.dumps(parse_document(text, "", FastLoader))


def parse_document(text: bytes, name: str, loader: type[OnceLoader | FastLoader] = OnceLoader) -> Any:
    """The document of a file, YAML or JSON, without looking at its content.

    Raises:
        ContractError: the bytes are not YAML, or have no form in JSON.
    """
    try:
        document = json_document(text)
        if document is not None:
            return document
        document = yaml.load(text.decode("utf-8"), loader)  # noqa: S506  it is a SafeLoader
        # An anchor may hold itself; JSON cannot say that, and nothing that reads a contract would come to an end. And YAML
        # reads an escaped pair of surrogates as two characters, JSON as the one that is meant; half a pair is none.
        document = json.loads(json.dumps(document))
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except Exception as error:  # a tag that its text does not fit fails in as many ways as there are tags
        raise ContractError([ContractProblem(name, "", _said(error, text)[:SENTENCE])]) from error
    return document


def _said(error: Exception, text: bytes) -> str:
    match error:
        case UnicodeDecodeError():
            return (
                f"byte 0x{text[error.start]:02x} is not UTF-8{_at(text, error.start)}: save the file as UTF-8"
            )
        case yaml.reader.ReaderError():
            start = len(text.decode("utf-8", "replace")[: error.position].encode())
            return f"YAML has no character U+{int(error.character):04X}{_at(text, start)}: remove it"
        case ValueError() if "Circular" in str(error):
            return "an anchor (&) holds itself (*): write out what it stands for"
        case _:
            return " ".join(str(error).split())


def _at(text: bytes, start: int) -> str:
    """Where a byte is, as the parser of YAML says it."""
    before = text[:start].decode("utf-8", "replace")
    column = len(before) - before.rfind("\n")
    return f' in "<unicode string>", line {before.count(chr(10)) + 1}, column {column}'


def line_of(text: str, pointer: str) -> int:
    """The line, from 1, of what a pointer leads to in a text of YAML, or of the innermost part above it that is there."""
    if not pointer:
        return 1
    try:
        node, line = yaml.compose(text, FastLoader), 1
        for part in parse(pointer):
            for key, value in _children(node):
                if key.value == part if isinstance(key, yaml.Node) else key == part:
                    line, node = (key if isinstance(key, yaml.Node) else value).start_mark.line + 1, value
                    break
            else:
                return line
    except (yaml.YAMLError, ValueError):
        return 1
    return line


def _children(node: yaml.Node | None) -> Iterator[tuple[yaml.Node | str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from node.value
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(place), value) for place, value in enumerate(node.value))


def json_document(text: bytes) -> Any:
    """The object or list of a text in JSON; None where it is none: YAML's may begin with the same character.

    YAML's parser in C refuses what JSON may escape, a character as a pair of surrogates.

    Raises:
        ValueError: a key stands in it twice, or half a pair of surrogates stands for a character.
        RecursionError: it nests too deeply.
    """
    if text.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return None
    json.loads(text, object_pairs_hook=_each_key_once)
    json.dumps(document, ensure_ascii=False).encode("utf-8")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
        raise ValueError(f"{twice} stands here twice")
    return document
