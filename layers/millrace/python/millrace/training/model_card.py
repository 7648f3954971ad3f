"""The card of a model that was trained and judged."""

from collections.abc import Mapping

import numpy as np

from millrace.model_registry import artifact
from millrace.model_registry.artifact import Counts, GateResult, Golden, ModelCard
from millrace.training import dataset
from millrace.training.dataset import Dataset, Floats
from millrace.training.fraud_model import column
from millrace.training.request import TrainingOrder
from millrace.training.train import Evaluation, TrainedModel


def card(
    order: TrainingOrder,
    model: TrainedModel,
    evaluation: Evaluation,
    onnx: bytes,
    *,
    data: Dataset,
    golden: tuple[Golden, ...],
    libraries: Mapping[str, str],
) -> ModelCard:
    """Everything that is known of the model; `data` are the rows of the whole channel.

    Raises:
        ArtifactError: what was made is no model that may be served.
    """
    split = order.days()
    trained, judged = dataset.trained_on(data, split), dataset.judged_on(data, split)
    references = {column(reference): reference for reference in order.features}
    return ModelCard(
        model=order.model,
        algorithm=model.algorithm,
        org=order.org,
        features=order.features,
        views=order.views,
        calibration=model.calibration,
        threshold=model.threshold,
        onnx_sha256=artifact.fingerprint(onnx),
        onnx_bytes=len(onnx),
        golden=golden,
        metrics=evaluation.metrics.to_json(),
        gates=gate_results(evaluation),
        importances={references[name]: fall for name, fall in model.importances.items()},
        split=order.split,
        rows=Counts(
            len(trained), len(judged), {"train": int(trained.labels.sum()), "test": int(judged.labels.sum())}
        ),
        sources=order.sources,
        data=order.data,
        run_id=order.run_id,
        code_version=order.code_version,
        libraries=libraries,
    )


def gate_results(evaluation: Evaluation) -> tuple[GateResult, ...]:
    """The gates as a card writes them."""
    return tuple(GateResult(one.name, one.least, one.value, one.passed) for one in evaluation.gates)


def golden_rows(rows: Dataset, scores: Floats, model: TrainedModel) -> tuple[Golden, ...]:
    """Rows that show whether a graph is what it was: the lowest and the highest score, and some between.

    Args:
        rows: with two classes.
        scores: of the graph, before calibration.
        model: its calibration and threshold.
    """
    ranked = np.argsort(scores, kind="stable")
    last = len(ranked) - 1
    chosen = dict.fromkeys(int(ranked[last * part // 4]) for part in range(5))
    # Most of fraud's scores are next to nothing: what lies about the middle and the threshold tells more.
    low, high = scores[ranked[0]], scores[ranked[-1]]
    probable = np.fromiter(map(model.calibration, scores.tolist()), np.float64, len(scores))
    chosen[int(np.argmin(np.abs(scores - (low + high) / 2)))] = None
    chosen[int(np.argmin(np.abs(probable - model.threshold)))] = None
    return tuple(Golden(tuple(rows.values[row].tolist()), float(probable[row])) for row in sorted(chosen))
