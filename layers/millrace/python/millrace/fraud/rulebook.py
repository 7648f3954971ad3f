"""The rules in force by tenant, and the versions that they replaced, from the layer's compiled bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millrace.core import bundle
from millrace.core.errors import PermanentError
from millrace.fraud.rules import RuleSet


class Rulebook:
    """Every version of the rules that the bundle holds."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """`document` is what `millrace.compiler.fraud_rules` wrote."""
        self._default = RuleSet(document["default"])
        self._tenants = {org: RuleSet(own) for org, own in document["tenants"].items()}
        every = [self._default, *self._tenants.values(), *map(RuleSet, document["superseded"])]
        self._versions = {rules.version: rules for rules in every}

    def of(self, org: str) -> RuleSet:
        """The rules in force for a tenant."""
        return self._tenants.get(org, self._default)

    @property
    def default(self) -> RuleSet:
        """The rules in force for a tenant without rules of its own."""
        return self._default

    def version(self, version: str) -> RuleSet:
        """The rules of a version, in force or superseded.

        Raises:
            PermanentError: this bundle does not hold that version.
        """
        rules = self._versions.get(version)
        if rules is None:
            raise PermanentError(f"there are no fraud rules of version {version}")
        return rules


def load(folder: Path | None = None) -> Rulebook:
    """The rulebook of the bundle in `folder`, else of the one in force."""
    return bundle.load(_read, folder)


def _read(folder: Path) -> Rulebook:
    return Rulebook(bundle.document(folder, bundle.FRAUD_RULES))
