"""Codes, limits and routes: what a caller of the API meets."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cli.commands import EXIT_CODES
from cli.reference.markdown import code, listed, page, table
from millrace.api import detokenise, story
from millrace.compiler import api_document, untrusted
from millrace.contracts.errors import CODES
from millrace.core import limits, query, sizes
from millrace.core.audit_actions import ACTIONS
from millrace.imports import bounds
from millrace.intake import patches, replay


def codes(root: Path) -> str:
    """The page of codes."""
    document = api_document.load(root / "schemas" / api_document.FILE)
    return page(
        "# Codes",
        "## Codes of a refused event",
        "Each error of a refused event has a `pointer` into the event, a `code` and a `message` for people.",
        table(("code", "says"), ((code(name), text) for name, text in CODES.items())),
        "## Statuses of the API",
        "An error is `application/problem+json` (RFC 9457); `detail` says what is wrong. What the gateway itself refuses has the gateway's "
        "own short body. [Routes](routes.md) has the statuses of each call.",
        table(("status", "means"), _statuses(document)),
        "## Actions of the audit",
        "What a line of [the audit](../audit.md) can tell of.",
        table(("action", "says"), ((code(name), text) for name, text in ACTIONS.items())),
        "## Exit codes of `millrace`",
        table(("code", "means"), ((code(name), text) for name, text in EXIT_CODES)),
    )


def limit_page() -> str:
    """The page of limits."""
    rows = (
        *limits.LIMITS,
        *bounds.LIMITS,
        *query.LIMITS,
        *sizes.LIMITS,
        *story.LIMITS,
        *detokenise.LIMITS,
        *replay.LIMITS,
        *patches.LIMITS,
        *untrusted.LIMITS,
    )
    return page(
        "# Limits",
        "What the API takes at most, and what it answers beyond that. A message gives the limit and the actual value. Lengths of a type's "
        "own fields are in its contract; requests a second in the [settings](settings.md).",
        table(("what", "at most", "beyond"), rows),
    )


def routes(root: Path) -> str:
    """The page of routes."""
    document = api_document.load(root / "schemas" / api_document.FILE)
    compiled = api_document.routes(document)
    blocks = []
    for tag in document["tags"]:
        rows = []
        for route, one in compiled.items():
            method, path = route.split()
            operation = document["paths"][path][method.lower()]
            if operation["tags"] == [tag["name"]] and method != "OPTIONS":
                names = [part["name"] for part in one["parameters"] if part["in"] == "query"]
                rows.append(
                    (
                        code(route),
                        operation["summary"],
                        code(one["right"] or ""),
                        listed(names),
                        ", ".join(sorted(operation["responses"])),
                    )
                )
        head = ("call", "does", "right", "query", "statuses")
        blocks += [f"## {tag['name'].capitalize()}", tag["description"], table(head, rows)]
    return page(
        "# Routes",
        document["info"]["description"],
        "`GET /v1/openapi.json` describes each call in full. A call without a right needs no API key: it is open, or a write key "
        "decides. What browsers ask before a call (OPTIONS) is answered 204, and is not listed.",
        *blocks,
    )


def _statuses(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Statuses of errors, each with what the document says of it."""
    sentences: dict[str, set[str]] = {}
    for path in document["paths"].values():
        for method in set(path) & set(api_document.METHODS):
            for status, answer in path[method]["responses"].items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    name = answer.get("$ref", "").rpartition("/")[2]
                    said = document["components"]["responses"][name] if name else answer
                    sentences.setdefault(status, set()).add(" ".join(said["description"].split()))
    return ((status, " Or: ".join(sorted(sentences[status]))) for status in sorted(sentences))
