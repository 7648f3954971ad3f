"""The chain from the registry's hash to the graph's answers; whatever breaks it keeps a model from serving."""

import math
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from onnx import TensorProto, helper

from millrace.features import views as feature_views
from millrace.features.rows import defaults
from millrace.features.views import FeatureViews
from millrace.model_registry import artifact
from millrace.model_registry.artifact import ArtifactError
from millrace.model_registry.files import Artifact
from millrace.scoring import answer
from millrace.scoring.answer import ScoringError
from millrace.scoring.champion import Champion, Model, ModelInput
from millrace.scoring.session import Session
from tests.support import champions

ORG, VERSION = "org_acme", "00000003"
MOMENT = 1_795_000_000_000_000


@pytest.fixture(scope="module")
def views(bundle: Path) -> FeatureViews:
    return feature_views.load(bundle)


def model(views: FeatureViews, **changed: Any) -> Model:
    held, card_sha256 = champions.held(views, **changed)
    return Model(held, card_sha256, org=ORG, version=VERSION)


def question(champion: Champion, **request: Any) -> ModelInput:
    values = {source.view.name: defaults(source.view) for source in champion.columns.sources}
    return ModelInput(values, {"amount": 120.5, **request}, MOMENT)


def test_what_was_registered_serves_and_names_its_version(views: FeatureViews) -> None:
    champion = Champion(model(views), views)
    asked = question(champion)
    asked.values["user_features"].update(transaction_count_1d=3, mean_amount_30d=60.25)  # type: ignore[attr-defined]
    asked.values["merchant_features"]["fraud_share_7d"] = 0.25  # type: ignore[index]
    (said,) = champion.answers([asked])
    assert said is not None
    row = [120.5, 4.0, 120.5 / 60.25, 0.25, 0.0]
    assert said.version == "fraud/00000003"
    assert struct.unpack("<5f", answer.unpack(said.inputs)) == tuple(map(champions.as_float32, row))
    assert said.score == pytest.approx(champions.reckoned(row), abs=1e-6)
    assert said.score == round(said.score, 6)


def test_the_score_is_calibrated(views: FeatureViews) -> None:
    champion = Champion(model(views, calibration={"slope": 0.5, "intercept": -1.0}), views)
    (said,) = champion.answers([question(champion)])
    plain = champions.reckoned([120.5, 1.0, 1.0, 0.0, 0.0])
    assert said is not None
    assert said.score == pytest.approx(artifact.Calibration(0.5, -1.0)(plain), abs=1e-6)


def linear_classifier(weights: list[float]) -> bytes:
    """A logistic regression as training exports it."""
    attributes: dict[str, Any] = {
        "coefficients": [*(-weight for weight in weights), *weights],
        "intercepts": [1.0, -1.0],
        "classlabels_ints": [0, 1],
        "multi_class": 1,
        "post_transform": "LOGISTIC",
    }
    made = helper.make_graph(
        [
            helper.make_node("LinearClassifier", ["X"], ["label", "both"], domain="ai.onnx.ml", **attributes),
            helper.make_node("Gather", ["both", "fraud"], ["score"], axis=1),
        ],
        "logistic",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(weights)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None])],
        [helper.make_tensor("fraud", TensorProto.INT64, [], [1])],
    )
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    content: bytes = helper.make_model(made, opset_imports=sets, ir_version=8).SerializeToString()
    return content


def test_a_rows_score_does_not_depend_on_the_rows_beside_it() -> None:
    """To the last bit: a decision is derived from its own record, which knows nothing of the batch."""
    rng, columns, count = random.Random(3), 59, 400
    graph = Session(linear_classifier([rng.uniform(-0.3, 0.3) for _ in range(columns)]), columns)
    size = 4 * columns
    content = b"".join(struct.pack("<f", rng.lognormvariate(0, 1.5)) for _ in range(count * columns))
    graph.room(count)[:] = content
    together = graph.scores(count)
    assert len(set(together)) > count / 2
    for rows in (1, 2, 3, 50):
        for start in range(0, count - rows, rows):
            graph.buffer[: rows * size] = content[start * size : (start + rows) * size]
            assert graph.scores(rows) == together[start : start + rows]


def test_a_score_follows_from_the_recorded_bytes(views: FeatureViews) -> None:
    champion, alone = Champion(model(views), views), model(views)
    together = champion.answers([question(champion, amount=7.77 * number) for number in range(101)])
    for one in together:
        assert one is not None
        assert alone.rescore(answer.unpack(one.inputs)) == one.score
    assert len({one.score for one in together if one}) > 90


@pytest.mark.parametrize(
    "values",
    [
        {"merchant_features": {"fraud_share_7d": None}},
        {"merchant_features": {"fraud_share_7d": float("nan")}},
        {"merchant_features": {"fraud_share_7d": float("inf")}},
        {"merchant_features": {"fraud_share_7d": 1e300}},
        {"merchant_features": {"fraud_share_7d": "often"}},
        {"merchant_features": {}},
    ],
)
def test_what_is_no_number_is_never_shown_to_a_model_and_costs_the_others_nothing(
    views: FeatureViews, values: dict[str, Any]
) -> None:
    champion = Champion(model(views), views)
    sound = question(champion)
    wrong = sound._replace(values={**sound.values, **values})
    first, second, third, last = champion.answers([sound, wrong, None, sound])
    assert (second, third) == (None, None)
    assert first == last is not None


def test_a_row_that_overflows_the_graph_has_no_score(
    views: FeatureViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = Champion(model(views), views)
    sound = question(champion)
    (said,) = champion.answers([sound])
    graph, scores = champion._model.graph, champion._model.graph.scores
    monkeypatch.setattr(graph, "scores", lambda rows: [scores(rows)[0], math.nan, *scores(rows)[2:]])
    assert champion.answers([sound] * 3) == [said, None, said]


Change = Callable[[Artifact], Artifact]


def with_card(**changed: Any) -> Change:
    return lambda held: held._replace(card=orjson.dumps({**orjson.loads(held.card), **changed}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held._replace(onnx=held.onnx[:-1]), "bytes"),
        (lambda held: held._replace(onnx=held.onnx[:-1] + b"!"), "hash"),
        (lambda held: held._replace(card=held.card[:-2]), "not JSON"),
        (with_card(surplus=1), "surplus"),
        (with_card(org="org_globex"), "of org_globex"),
        (with_card(model="churn"), "churn"),
        (
            lambda held: with_card(onnx_sha256=artifact.fingerprint(b"no graph"), onnx_bytes=8)(
                held._replace(onnx=b"no graph")
            ),
            "no graph",
        ),
        (
            with_card(golden=[{"inputs": [1.0, 1.0, 1.0, 1.0, 1.0], "score": 0.123}] * 3),
            "golden row 0",
        ),
    ],
)
def test_a_corrupt_artifact_is_refused(views: FeatureViews, change: Change, message: str) -> None:
    held = change(champions.held(views)[0])
    with pytest.raises(ArtifactError, match=message):
        Model(held, artifact.fingerprint(held.card), org=ORG, version=VERSION)


def test_a_card_that_the_registry_does_not_name_is_refused(views: FeatureViews) -> None:
    held, _ = champions.held(views)
    with pytest.raises(ArtifactError, match="the registry says"):
        Model(held, "0" * 64, org=ORG, version=VERSION)


def test_a_graph_of_another_width_is_refused(views: FeatureViews) -> None:
    onnx = champions.graph(champions.WEIGHTS[:4])
    held = with_card(onnx_sha256=artifact.fingerprint(onnx), onnx_bytes=len(onnx))(champions.held(views)[0])
    with pytest.raises(ArtifactError, match="not 5 columns"):
        Model(held._replace(onnx=onnx), artifact.fingerprint(held.card), org=ORG, version=VERSION)


def test_a_model_of_features_that_the_views_no_longer_have_is_refused(views: FeatureViews) -> None:
    card = champions.card(views)
    gone = ("merchant_features:chargebacks", *card.features[1:])
    card = replace(card, features=gone, importances={})
    with pytest.raises(ScoringError, match="chargebacks"):
        Champion(_loaded(card), views)
    without = FeatureViews(views.view(name) for name in views.names() if name != "merchant_risk")
    with pytest.raises(ScoringError, match="merchant_risk"):
        Champion(model(views), without)


def test_a_model_of_another_definition_of_a_view_is_refused(views: FeatureViews) -> None:
    old = replace(views.view("merchant_features"), digest="0" * 64, version="0.9.0")
    before = FeatureViews([*(views.view(name) for name in views.names() if name != old.name), old])
    trained = model(before)
    with pytest.raises(ScoringError, match=r"merchant_features 0\.9\.0, and this deployment has 1\.0\.0"):
        Champion(trained, views)


def test_a_model_whose_card_hides_a_view_behind_a_derived_feature_is_refused(views: FeatureViews) -> None:
    read = [name for name in champions.READ if name != "user_features"]
    with pytest.raises(ScoringError, match="pins no user_features"):
        Champion(model(views, read=read), views)


def test_the_columns_are_in_the_order_of_the_card(views: FeatureViews) -> None:
    order = [3, 0, 4, 2, 1]
    features = [champions.FEATURES[place] for place in order]
    weights = [champions.WEIGHTS[place] for place in order]
    champion = Champion(model(views), views)
    other = Champion(model(views, features=features, weights=weights), views)
    asked = question(champion)
    asked.values["merchant_features"]["fraud_share_7d"] = 0.5  # type: ignore[index]
    asked.values["merchant_risk"]["fraud_count_30d"] = 2  # type: ignore[index]
    (said,), (same,) = champion.answers([asked]), other.answers([asked])
    assert said is not None
    assert same is not None
    rows = [struct.unpack("<5f", answer.unpack(one.inputs)) for one in (said, same)]
    assert rows[1] == tuple(rows[0][place] for place in order)
    assert same.score == pytest.approx(said.score, abs=1e-6)


def _loaded(card: artifact.ModelCard) -> Model:
    text = artifact.write(card)
    return Model(Artifact(text, champions.graph()), artifact.fingerprint(text), org=ORG, version=VERSION)
