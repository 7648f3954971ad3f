"""The rules over logs that the bundle holds, by log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millrace.core import bundle
from millrace.sigma.audit_lines import AUDIT
from millrace.sigma.gateway_lines import GATEWAY
from millrace.sigma.line_source import LineRules, LineSource

SOURCES = (AUDIT, GATEWAY)


def source_of(compiled: Mapping[str, Any]) -> LineSource | None:
    """The log that a compiled rule or correlation is about; None: it is about events."""
    for source in SOURCES:
        if "steps" in compiled:
            if any(source.contract.event_type in step["events"] for step in compiled["steps"]):
                return source
        elif source.contract.name in compiled["where"]:
            return source
    return None


def names(source: LineSource) -> tuple[str, str]:
    """Under which names the bundle has the rules and the correlations of a log."""
    return f"{source.service}Rules", f"{source.service}Patterns"


def load(source: LineSource) -> LineRules:
    """Those of the bundle that are about lines of a log."""
    return bundle.load(_READ[source.service])


def _read_audit(folder: Path) -> LineRules:
    return _read(folder, AUDIT)


def _read_gateway(folder: Path) -> LineRules:
    return _read(folder, GATEWAY)


# A reader for each, because a bundle is read once by each reader.
_READ = {AUDIT.service: _read_audit, GATEWAY.service: _read_gateway}


def _read(folder: Path, source: LineSource) -> LineRules:
    document = bundle.document(folder, bundle.SIGMA)
    rules, patterns = names(source)
    return LineRules.of(source, document[rules], document[patterns])
