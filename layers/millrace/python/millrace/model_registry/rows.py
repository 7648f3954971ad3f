"""Rows of MLModels: registered versions, and the alias that names the one that serves. No I/O.

All rows of a tenant's model are in one partition, `org#model`; versions are eight digits, the alias is `alias#champion`,
and a row `run#<run>#<algorithm>` keeps a run from registering an algorithm twice.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from millrace.core import keys
from millrace.core.errors import PermanentError
from millrace.core.table import Item
from millrace.model_registry.artifact import version_name

# `trial`: trained on uploaded files instead of the lake's tables, so that it is never deployed by itself.
Status = Literal["candidate", "rejected", "trial"]
Reason = Literal["deploy", "promote", "rollback"]
DIGITS = 8
FIRST, LAST = "0" * DIGITS, "9" * DIGITS
CHAMPION = keys.join("alias", "champion")
# How many champions before this one a rollback can go back over.
TRAIL = 20
# Names of tenants and models are folders of the lake.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Version:
    """A registered model.

    Attributes:
        org: the tenant.
        model: such as `fraud`.
        version: eight digits.
        algorithm: such as `random_forest`.
        status: whether it passed the gates, and what it was trained on.
        run: the training run.
        registered_at: UTC text.
        card_sha256: of `model.json`.
        onnx_sha256: of `model.onnx`.
        artifact: the folder of both in the lake, a key that ends in `/`.
        metrics: of the held-out days.
        gates: name, least, value, passed.
        data: `lake`, or `file:<sha256>`.
        sources: table → snapshot that it was trained on.
        code_version: what trained it.
    """

    org: str
    model: str
    version: str
    algorithm: str
    status: Status
    run: str
    registered_at: str
    card_sha256: str
    onnx_sha256: str
    artifact: str
    metrics: Mapping[str, Any]
    gates: tuple[Mapping[str, Any], ...]
    data: str
    sources: Mapping[str, Any]
    code_version: str


@dataclass(frozen=True, slots=True)
class Alias:
    """Which version serves, and the change that made it the champion.

    Attributes:
        org: the tenant.
        model: such as `fraud`.
        version: the champion.
        before: the champion before this change; None for the first.
        trail: the earlier champions that a rollback goes back over, the nearest last.
        card_sha256: of the champion's `model.json`.
        artifact: its folder in the lake.
        moved_at: UTC text.
        move: the number of the change, from 1.
        announced: the last change whose event is stored.
        reason: why it was changed.
        by: who changed it.
        forced: past the gates.
        run: the training run that deployed it.
        request: the caller's id of the request; a retry with the same id makes no second change.
    """

    org: str
    model: str
    version: str
    before: str | None
    trail: tuple[str, ...]
    card_sha256: str
    artifact: str
    moved_at: str
    move: int
    announced: int
    reason: Reason
    by: str
    forced: bool = False
    run: str | None = None
    request: str | None = None

    @property
    def previous(self) -> str | None:
        """Where a rollback goes."""
        return self.trail[-1] if self.trail else None


def check_names(org: str, model: str) -> None:
    """Refuses names that a tenant or a model cannot have.

    Raises:
        PermanentError: one is not a name.
    """
    for what, name in (("tenant", org), ("model", model)):
        if not _NAME.fullmatch(name):
            raise PermanentError(f"{name!r} is not a valid name of a {what}")


def partition(org: str, model: str) -> str:
    """`org#fraud`."""
    return keys.join(org, model)


def version_named(text: str) -> str:
    """A version as a person writes it: `3`, `00000003` or `fraud/00000003`.

    Raises:
        PermanentError: it is not a version.
    """
    digits = text.rpartition("/")[2]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > DIGITS or int(digits) == 0:
        raise PermanentError(f"{text!r} is not a version; versions are numbers such as {version_name(3)}")
    return version_name(int(digits))


def key(org: str, model: str, sort: str) -> Item:
    """The key of a row."""
    return {"modelKey": {"S": partition(org, model)}, "version": {"S": sort}}


def run_key(org: str, model: str, run: str, algorithm: str) -> Item:
    """The key of the row that names the version that a run registered for an algorithm."""
    return key(org, model, keys.join("run", run, algorithm))


def to_item(one: Version) -> Item:
    """The row of a version. The indexes find it by status, and by F1."""
    owner = partition(one.org, one.model)
    f1 = one.metrics.get("f1")
    item: Item = {
        **key(one.org, one.model, one.version),
        "orgId": {"S": one.org},
        "model": {"S": one.model},
        "algorithm": {"S": one.algorithm},
        "typeKey": {"S": owner},
        "status": {"S": one.status},
        "runId": {"S": one.run},
        "registeredAt": {"S": one.registered_at},
        "cardSha256": {"S": one.card_sha256},
        "onnxSha256": {"S": one.onnx_sha256},
        "artifact": {"S": one.artifact},
        "metrics": {"S": orjson.dumps(one.metrics).decode()},
        "gates": {"S": orjson.dumps(list(one.gates)).decode()},
        "data": {"S": one.data},
        "sources": {"S": orjson.dumps(one.sources).decode()},
        "codeVersion": {"S": one.code_version},
    }
    if isinstance(f1, int | float):
        # A share: as text of one length, text order is its order.
        item |= {"performanceKey": {"S": owner}, "performance": {"S": f"{f1:.6f}"}}
    return item


def from_item(item: Mapping[str, Any]) -> Version:
    """The version of a row."""
    return Version(
        org=item["orgId"]["S"],
        model=item["model"]["S"],
        version=item["version"]["S"],
        algorithm=item["algorithm"]["S"],
        status=item["status"]["S"],
        run=item["runId"]["S"],
        registered_at=item["registeredAt"]["S"],
        card_sha256=item["cardSha256"]["S"],
        onnx_sha256=item["onnxSha256"]["S"],
        artifact=item["artifact"]["S"],
        metrics=orjson.loads(item["metrics"]["S"]),
        gates=tuple(orjson.loads(item["gates"]["S"])),
        data=item["data"]["S"],
        sources=orjson.loads(item["sources"]["S"]),
        code_version=item["codeVersion"]["S"],
    )


def alias_item(alias: Alias) -> Item:
    """The row of an alias. The sort key is named `version`, so the champion is `target`."""
    item: Item = {
        **key(alias.org, alias.model, CHAMPION),
        "orgId": {"S": alias.org},
        "model": {"S": alias.model},
        "target": {"S": alias.version},
        "trail": {"L": [{"S": one} for one in alias.trail]},
        "cardSha256": {"S": alias.card_sha256},
        "artifact": {"S": alias.artifact},
        "movedAt": {"S": alias.moved_at},
        "move": {"N": str(alias.move)},
        "announced": {"N": str(alias.announced)},
        "reason": {"S": alias.reason},
        "movedBy": {"S": alias.by},
        "forced": {"BOOL": alias.forced},
    }
    for name, text in (("before", alias.before), ("runId", alias.run), ("request", alias.request)):
        if text is not None:
            item[name] = {"S": text}
    return item


def alias_from(item: Mapping[str, Any]) -> Alias:
    """The alias of a row."""
    return Alias(
        org=item["orgId"]["S"],
        model=item["model"]["S"],
        version=item["target"]["S"],
        before=item.get("before", {}).get("S"),
        trail=tuple(one["S"] for one in item["trail"]["L"]),
        card_sha256=item["cardSha256"]["S"],
        artifact=item["artifact"]["S"],
        moved_at=item["movedAt"]["S"],
        move=int(item["move"]["N"]),
        announced=int(item["announced"]["N"]),
        reason=item["reason"]["S"],
        by=item["movedBy"]["S"],
        forced=item["forced"]["BOOL"],
        run=item.get("runId", {}).get("S"),
        request=item.get("request", {}).get("S"),
    )
