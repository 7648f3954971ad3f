"""YAML and JSON as documents that JSON can say, from our own files and from outside."""

import json
from pathlib import Path
from typing import Any

import yaml

from millrace.contracts.errors import ContractError, ContractProblem

# Characters of a parser's message that are passed on.
SENTENCE = 300


class OnceLoader(yaml.SafeLoader):
    """YAML in which a key stands once: the usual loader silently keeps the last.

    Dates stay texts, because JSON has no dates.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key} stands here twice", key_node.start_mark
                )
            seen.add(key)
        # By name: the parser in C takes this method over, and it stands on the same constructor.
        return yaml.constructor.SafeConstructor.construct_mapping(self, node, deep)


OnceLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

_CLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FastLoader(_CLoader):  # type: ignore[misc]
    """The same rules on the parser in C, where it is there: a tenth of the time."""

    construct_mapping = OnceLoader.construct_mapping
    yaml_implicit_resolvers = OnceLoader.yaml_implicit_resolvers


def yaml_file(path: Path, name: str) -> Any:
    """The document of one of our own files.

    Raises:
        ContractError: the file is no YAML.
    """
    text = path.read_bytes()
    try:
        return parse_document(text, name, FastLoader)
    except ContractError:
        # The parser in C refuses a character that is escaped as a pair of surrogates, and its errors do not show the line.
        return parse_document(text, name)


def parse_document(text: bytes, name: str, loader: type[OnceLoader | FastLoader] = OnceLoader) -> Any:
    """The document of a file, YAML or JSON, without looking at its content.

    Raises:
        ContractError: the bytes are no YAML, or have no form in JSON.
    """
    try:
        document = yaml.load(text.decode("utf-8"), loader)  # noqa: S506  it is a SafeLoader
        # An anchor may hold itself; JSON cannot say that, and nothing that reads a contract would come to an end. And YAML
        # reads an escaped pair of surrogates as two characters, JSON as the one that is meant; half a pair is none.
        document = json.loads(json.dumps(document))
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except Exception as error:  # a tag that its text does not fit fails in as many ways as there are tags
        raise ContractError([ContractProblem(name, "", " ".join(str(error).split())[:SENTENCE])]) from error
    return document
