"""Cedar in process: policies and their schema parsed once, and a closed door wherever Cedar is not sure.

A `forbid` that cannot be evaluated is skipped by Cedar, which would turn a refusal into a permission: entities and requests are therefore
checked against the schema, and a decision with any diagnostic is a refusal. Cedar's semantics: https://docs.cedarpolicy.com/auth/authorization.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cedarpy
import orjson

from millrace.core import bundle


@dataclass(frozen=True, slots=True)
class Entity:
    """What policies speak of: a caller, a tenant, a dataset.

    Attributes:
        kind: such as `User`, one of the schema's.
        id: any text.
        attributes: in Cedar's JSON form.
        parents: what it belongs to.
    """

    kind: str
    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple["Entity", ...] = ()

    @property
    def uid(self) -> dict[str, str]:
        """Its name in requests."""
        return {"type": self.kind, "id": self.id}

    @property
    def reference(self) -> dict[str, Any]:
        """Its name in attributes of others."""
        return {"__entity": self.uid}

    def to_json(self) -> dict[str, Any]:
        """As Cedar reads it."""
        return {
            "uid": self.uid,
            "attrs": dict(self.attributes),
            "parents": [parent.uid for parent in self.parents],
        }


@dataclass(frozen=True, slots=True)
class Question:
    """Whether something may be done to something."""

    action: str
    resource: Entity
    context: Mapping[str, Any] = field(default_factory=dict)


class Policies:
    """The policies in force."""

    def __init__(self, schema: str, policies: Mapping[str, str]) -> None:
        """Parses both.

        Args:
            schema: of entities and actions.
            policies: by the kind of resource that they can be about. About any other nothing is permitted.

        Raises:
            ValueError: one of them is not Cedar's.
        """
        self._schema = cedarpy.Schema.from_str(schema)
        self._policies = {kind: cedarpy.PolicySet.from_str(text) for kind, text in policies.items()}

    def decide(self, principal: Entity, questions: Sequence[Question]) -> list[bool]:
        """Whether the principal may, question by question; False for whatever Cedar cannot evaluate or does not know."""
        if not questions:
            return []
        try:
            entities = self._entities(principal, questions)
        except ValueError:
            return [False] * len(questions)
        answers = [False] * len(questions)
        for kind, about in self._policies.items():
            places = [place for place, one in enumerate(questions) if one.resource.kind == kind]
            requests = [_request(principal, questions[place]) for place in places]
            results = cedarpy.is_authorized_batch(requests, about, entities, self._schema) if requests else []
            for place, result in zip(places, results, strict=True):
                answers[place] = _is_allowed(result)
        return answers

    def may(self, principal: Entity, question: Question) -> bool:
        """As `decide`, of one question."""
        return self.decide(principal, [question])[0]

    def _entities(self, principal: Entity, questions: Iterable[Question]) -> cedarpy.Entities:
        known = {}
        for entity in (principal, *(one.resource for one in questions)):
            for one in (entity, *entity.parents):
                known[one.kind, one.id] = one
        document = orjson.dumps([one.to_json() for one in known.values()]).decode()
        return cedarpy.Entities.from_json_str(document, self._schema)


def _request(principal: Entity, question: Question) -> dict[str, Any]:
    return {
        "principal": principal.uid,
        "action": {"type": "Action", "id": question.action},
        "resource": question.resource.uid,
        "context": orjson.dumps(question.context).decode(),
    }


def _is_allowed(result: cedarpy.AuthzResult) -> bool:
    return result.decision is cedarpy.Decision.Allow and not result.diagnostics.errors


def load() -> Policies:
    """The policies of the bundle in force, parsed once a process."""
    return bundle.load(_read)


def _read(folder: Path) -> Policies:
    document = bundle.document(folder, bundle.POLICIES)
    return Policies(document["schema"], document["policies"])
