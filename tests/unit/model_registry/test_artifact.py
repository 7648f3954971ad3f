"""The artifact of a model: what its card holds, and what is refused."""

import math
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.model_registry import artifact
from millrace.model_registry.artifact import ArtifactError, Calibration, Golden, ModelCard

ONNX = b"a graph"
PLAIN = Calibration(1.0, 0.0)


def document(**changed: Any) -> dict[str, Any]:
    made = {
        "model": "fraud",
        "algorithm": "random_forest",
        "org": "shop_a",
        "features": ["user_features:order_count", "merchant_features:fraud_share_7d"],
        "views": {
            "user_features": {"version": "1.0.0", "digest": "ab"},
            "merchant_features": {"version": "1.0.0", "digest": "cd"},
        },
        "calibration": {"slope": 0.5, "intercept": -0.25},
        "threshold": 0.5,
        "onnx_sha256": artifact.fingerprint(ONNX),
        "onnx_bytes": len(ONNX),
        "golden": [{"inputs": [0.1, float(number)], "score": 0.1 * number} for number in range(3)],
        "metrics": {"precision": 0.9},
        "gates": [{"name": "precision", "least": 0.8, "value": 0.9, "passed": True}],
        "importances": {"user_features:order_count": 0.2},
        "split": {
            "train": ["2026-01-01", "2026-01-07"],
            "delayDays": 7,
            "test": ["2026-01-15", "2026-01-21"],
        },
        "rows": {"train": 100, "test": 50, "frauds": {"train": 5, "test": 3}},
        "sources": {"marts.fct_transactions": 7214, "silver.products": None},
        "data": "lake",
        "run_id": "train_model-shop_a-1",
        "code_version": "0.1.0",
        "libraries": {"scikit-learn": "1.9.1"},
    }
    return {**made, **changed}


def test_a_card_comes_back_as_it_was_written() -> None:
    card = ModelCard.from_json(document())
    assert card.to_json() == document()
    assert artifact.read(artifact.write(card)) == card
    assert artifact.write(artifact.read(artifact.write(card))) == artifact.write(card)
    assert card.split.delay_days == 7
    assert card.sources["silver.products"] is None
    assert card.passed


@pytest.mark.parametrize("name", sorted(document()))
def test_nothing_may_be_missing(name: str) -> None:
    broken = document()
    del broken[name]
    with pytest.raises(ArtifactError, match=f"has no {name}"):
        ModelCard.from_json(broken)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"more": 1}, "unknown field more"),
        ({"model": ""}, "have names"),
        ({"algorithm": "svm"}, "no algorithm svm"),
        ({"features": []}, "no feature"),
        ({"features": ["user_features:a", "user_features:a"]}, "twice"),
        ({"features": ["product_features:a", "user_features:a"]}, "not pinned"),
        ({"features": "user_features:a"}, "features is not an array"),
        ({"calibration": {"slope": 0.0, "intercept": 0.0}}, "slope"),
        ({"calibration": {"slope": True, "intercept": 0.0}}, "slope is not of the type float"),
        ({"calibration": {"slope": math.nan, "intercept": 0.0}}, "NaN"),
        ({"calibration": {"slope": 1.0}}, "has no intercept"),
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": "0.5"}, "threshold is not of the type float"),
        ({"onnx_sha256": "AB" * 32}, "not a SHA-256"),
        ({"onnx_bytes": 0}, "above 0"),
        ({"onnx_bytes": 1.5}, "onnx_bytes is not of the type int"),
        ({"golden": []}, "3 to 8 golden rows"),
        ({"golden": [{"inputs": [0.1], "score": 0.1}] * 3}, "other columns"),
        ({"golden": [{"inputs": [0.1, 0.2], "score": 2.0}] * 3}, "golden score"),
        ({"gates": []}, "no gate"),
        ({"gates": [{"name": "f1", "least": 0.7, "value": 0.6, "passed": True}]}, "contradicts"),
        ({"importances": {"a:b": 1.0}}, "of no feature"),
        ({"split": {"train": ["2026-01-01"], "delayDays": 7, "test": ["2026-01-15", "2026-01-21"]}}, "not 2"),
        ({"split": {"train": ["1", "2"], "delayDays": 7, "test": ["2026-01-15", "2026-01-21"]}}, "not a day"),
        ({"sources": {"marts.fct_transactions": "7"}}, "is not of the type int"),
        ({"data": "file:ab"}, "data is lake"),
        ({"views": []}, "views is not an object"),
        ({"rows": 5}, "rows is not an object"),
    ],
)
def test_another_shape_is_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        ModelCard.from_json(document(**changed))


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"null"])
def test_what_is_no_card_is_refused(text: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"model\.json"):
        artifact.read(text)


def test_a_card_that_did_not_pass_a_gate_says_so() -> None:
    gates = [*document()["gates"], {"name": "recall", "least": 0.7, "value": 0.65, "passed": False}]
    assert not ModelCard.from_json(document(gates=gates)).passed


def test_a_graph_that_is_not_the_cards_is_refused() -> None:
    card = ModelCard.from_json(document())
    artifact.verify(card, ONNX)
    with pytest.raises(ArtifactError, match="bytes"):
        artifact.verify(card, ONNX + b"!")
    with pytest.raises(ArtifactError, match="hash"):
        artifact.verify(card, b"A graph")


def test_golden_rows_are_compared_after_calibration() -> None:
    scores = [0.2, 0.5, 0.9]
    card = ModelCard.from_json(document())
    rows = tuple(Golden((0.0, 0.0), card.calibration(score)) for score in scores)
    card = replace(card, golden=rows)
    artifact.verify_golden(card, scores)
    artifact.verify_golden(card, [0.2, 0.5, 0.90001])
    with pytest.raises(ArtifactError, match="golden row 2"):
        artifact.verify_golden(card, [0.2, 0.5, 0.91])
    with pytest.raises(ArtifactError, match="golden rows"):
        artifact.verify_golden(card, [0.2, 0.5])


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(1e-3, 100),
    st.floats(-1000, 1000),
)
def test_calibration_is_a_probability_and_keeps_the_order(
    one: float, other: float, slope: float, intercept: float
) -> None:
    scale = Calibration(slope, intercept)
    low, high = sorted((one, other))
    assert 0 <= scale(low) <= scale(high) <= 1


@given(st.floats(1e-6, 1 - 1e-6))
def test_slope_one_and_intercept_none_change_nothing(score: float) -> None:
    assert PLAIN(score) == pytest.approx(score, rel=1e-9)


def test_calibration_is_the_formula() -> None:
    expected = 1 / (1 + math.exp(-(0.5 * math.log(0.2 / 0.8) - 0.25)))
    assert Calibration(0.5, -0.25)(0.2) == pytest.approx(expected, abs=1e-15)
    assert Calibration(1.0, 0.0)(0.0) == pytest.approx(1e-6)
    with pytest.raises(ArtifactError, match="NaN"):
        PLAIN(math.nan)


def test_versions_sort_as_texts() -> None:
    assert artifact.version_name(9) < artifact.version_name(10)
    assert artifact.prefix("shop_a", "fraud", artifact.version_name(3)) == "models/shop_a/fraud/00000003/"
    for number in (0, 10**8):
        with pytest.raises(ArtifactError, match="not a version"):
            artifact.version_name(number)


def test_a_card_is_small_and_readable() -> None:
    text = artifact.write(ModelCard.from_json(document()))
    assert orjson.loads(text) == document()
    assert text.endswith(b"}\n")
