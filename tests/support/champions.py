"""Small models that really score: a logistic graph over a few features, its card, and the rows that put it in force."""

import math
import random
import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from onnx import TensorProto, helper

from millrace.core import clock
from millrace.features import rows as rows_online
from millrace.features.rows import Marker
from millrace.features.views import FeatureView, FeatureViews
from millrace.model_registry import artifact, rows
from millrace.model_registry.artifact import ModelCard
from millrace.model_registry.files import Artifact
from millrace.model_registry.rows import Alias
from tests.support import online_rows

FEATURES = (
    "transaction_features:amount",
    "transaction_features:user_transactions_1d",
    "transaction_features:amount_over_mean_30d",
    "merchant_features:fraud_share_7d",
    "merchant_risk:fraud_count_30d",
)
WEIGHTS = (0.001, 0.05, 0.4, 3.0, 0.2)
BIAS = -4.0
# What the model above reads, those behind the derived features included.
READ = ("transaction_features", "merchant_features", "merchant_risk", "user_features", "user_spending")


def graph(weights: Sequence[float] = WEIGHTS, bias: float = BIAS) -> bytes:
    """`score` = 1 / (1 + exp(-(X · weights + bias)))."""
    made = helper.make_graph(
        [
            helper.make_node("Gemm", ["X", "weights", "bias"], ["odds"]),
            helper.make_node("Sigmoid", ["odds"], ["score"]),
        ],
        "logistic",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(weights)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [len(weights), 1], weights),
            helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias]),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def reckoned(row: Sequence[float], weights: Sequence[float] = WEIGHTS, bias: float = BIAS) -> float:
    """What the graph answers, reckoned here."""
    odds = sum(one * weight for one, weight in zip(row, weights, strict=True)) + bias
    return 1 / (1 + math.exp(-max(-700.0, min(odds, 700.0))))


def card(
    views: FeatureViews,
    *,
    org: str = "org_acme",
    features: Sequence[str] = FEATURES,
    read: Sequence[str] = READ,
    weights: Sequence[float] = WEIGHTS,
    bias: float = BIAS,
    calibration: Mapping[str, float] | None = None,
    **changed: Any,
) -> ModelCard:
    """The card of `graph(weights, bias)`."""
    rng, onnx = random.Random(len(features)), graph(weights, bias)
    slope, intercept = (calibration or {"slope": 1.0, "intercept": 0.0}).values()
    calibrate = artifact.Calibration(slope, intercept)
    golden = []
    for _ in range(4):
        row = [as_float32(rng.lognormvariate(0, 1.5)) for _ in features]
        golden.append({"inputs": row, "score": calibrate(reckoned(row, weights, bias))})
    document = {
        "model": "fraud",
        "algorithm": "logistic_regression",
        "org": org,
        "features": list(features),
        "views": {
            name: {"version": views.view(name).version, "digest": views.view(name).digest} for name in read
        },
        "calibration": {"slope": slope, "intercept": intercept},
        "threshold": 0.5,
        "onnx_sha256": artifact.fingerprint(onnx),
        "onnx_bytes": len(onnx),
        "golden": golden,
        "metrics": {"f1": 0.9},
        "gates": [{"name": "f1", "least": 0.75, "value": 0.9, "passed": True}],
        "importances": {},
        "split": {
            "train": ["2026-10-10", "2026-11-06"],
            "delayDays": 7,
            "test": ["2026-11-14", "2026-11-20"],
        },
        "rows": {"train": 900, "test": 300, "frauds": {"train": 40, "test": 12}},
        "sources": {},
        "data": "lake",
        "run_id": "train_model-1",
        "code_version": "1.0",
        "libraries": {},
    }
    return ModelCard.from_json({**document, **changed})


def held(views: FeatureViews, **changed: Any) -> tuple[Artifact, str]:
    """The artifact of `card(views, **changed)` and the hash of its card."""
    onnx = graph(changed.get("weights", WEIGHTS), changed.get("bias", BIAS))
    text = artifact.write(card(views, **changed))
    return Artifact(text, onnx), artifact.fingerprint(text)


def alias(card_sha256: str, *, org: str = "org_acme", version: str = "00000001", move: int = 1) -> Alias:
    """The alias that puts a version in force."""
    return Alias(
        org=org,
        model="fraud",
        version=version,
        before=None,
        trail=(),
        card_sha256=card_sha256,
        artifact=artifact.prefix(org, "fraud", version),
        moved_at="2026-11-21T12:00:00.000Z",
        move=move,
        announced=move,
        reason="deploy",
        by="tests",
    )


def deploy(
    dynamodb: Any,
    s3: Any,
    views: FeatureViews,
    *,
    bucket: str,
    org: str,
    version: str = "00000001",
    table: str = "MLModels",
    **changed: Any,
) -> Alias:
    """Puts an artifact where registering puts it, and moves the alias to it."""
    made, card_sha256 = held(views, org=org, **changed)
    moved = alias(card_sha256, org=org, version=version, move=int(version))
    s3.put_object(Bucket=bucket, Key=f"{moved.artifact}{artifact.CARD_FILE}", Body=made.card)
    s3.put_object(Bucket=bucket, Key=f"{moved.artifact}{artifact.ONNX_FILE}", Body=made.onnx)
    dynamodb.put_item(TableName=table, Item=rows.alias_item(moved))
    return moved


def register(
    dynamodb: Any,
    views: FeatureViews,
    *,
    org: str,
    version: str = "00000001",
    table: str = "MLModels",
    **changed: Any,
) -> None:
    """Puts the row of a version, as registering does."""
    made, card_sha256 = held(views, org=org, **changed)
    known = artifact.read(made.card)
    row = rows.Version(
        org=org,
        model="fraud",
        version=version,
        algorithm=known.algorithm,
        status="candidate",
        run=known.run_id,
        registered_at="2026-11-21T12:00:00.000Z",
        card_sha256=card_sha256,
        onnx_sha256=known.onnx_sha256,
        artifact=artifact.prefix(org, "fraud", version),
        metrics=known.metrics,
        gates=(),
        data=known.data,
        sources=known.sources,
        code_version=known.code_version,
    )
    dynamodb.put_item(TableName=table, Item=rows.to_item(row))


def marker(
    org: str,
    of: Iterable[FeatureView],
    complete: datetime | None = None,
    whole: datetime | None = None,
    **changed: str,
) -> dict[str, Any]:
    """The row that says until when an entity is complete, and that all its rows were written a day before, or when `whole` says."""
    complete = complete or datetime.now(UTC)
    marks = {
        "asOf": clock.utc_text(complete),
        "wholeAt": clock.utc_text(whole or complete - timedelta(days=1)),
    }
    return online_rows.marker(org, of, **marks, **changed)


def mark(
    view: FeatureView, complete: datetime, whole: datetime | None = None, **changed: str
) -> Marker | None:
    """What that row says, of one view."""
    return rows_online.parse_marker(marker("org", [view], complete, whole, **changed))


def online(
    org: str, entity: str, *held: tuple[FeatureView, Mapping[str, Any]], at: datetime | None = None
) -> dict[str, Any]:
    """An online row with these views: what is not named has no value."""
    return online_rows.row(org, entity, clock.utc_text(at or datetime.now(UTC)), *held)


def as_float32(value: float) -> float:
    """The nearest value that a float32 holds."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded
