"""The card of a model that was trained and judged."""

from collections.abc import Mapping

import numpy as np

from millrace.model_registry import artifact
from millrace.model_registry.artifact import Counts, Golden, ModelCard
from millrace.training import dataset
from millrace.training.channel import TrainingRequest, column
from millrace.training.dataset import Floats, LabelledRows
from millrace.training.train import Evaluation, TrainedModel, probabilities


def card(
    request: TrainingRequest,
    model: TrainedModel,
    evaluation: Evaluation,
    onnx: bytes,
    *,
    data: LabelledRows,
    golden: tuple[Golden, ...],
    libraries: Mapping[str, str],
) -> ModelCard:
    """The card of the model; `data` are the rows of the whole channel.

    Raises:
        ArtifactError: the model may not be served.
    """
    split = request.days()
    trained, judged = dataset.trained_on(data, split), dataset.judged_on(data, split)
    references = {column(reference): reference for reference in request.features}
    return ModelCard(
        model=request.model,
        algorithm=model.algorithm,
        org=request.org,
        features=request.features,
        views=request.views,
        calibration=model.calibration,
        threshold=model.threshold,
        onnx_sha256=artifact.fingerprint(onnx),
        onnx_bytes=len(onnx),
        golden=golden,
        metrics=evaluation.metrics.to_json(),
        gates=evaluation.gates,
        importances={references[name]: fall for name, fall in model.importances.items()},
        split=request.split,
        rows=Counts(
            len(trained), len(judged), {"train": int(trained.labels.sum()), "test": int(judged.labels.sum())}
        ),
        sources=request.sources,
        data=request.data,
        run_id=request.run_id,
        code_version=request.code_version,
        libraries=libraries,
    )


def golden_rows(rows: LabelledRows, scores: Floats, model: TrainedModel) -> tuple[Golden, ...]:
    """Rows that prove a loaded graph is the one that was registered: the lowest and the highest score, and some between.

    Args:
        rows: of both classes.
        scores: of the graph, before calibration.
        model: its calibration and threshold.
    """
    ranked = np.argsort(scores, kind="stable")
    last = len(ranked) - 1
    chosen = dict.fromkeys(int(ranked[last * part // 4]) for part in range(5))
    # Most scores are close to 0: rows near the middle and near the threshold show more.
    low, high = scores[ranked[0]], scores[ranked[-1]]
    probable = probabilities(model.calibration, scores)
    chosen[int(np.argmin(np.abs(scores - (low + high) / 2)))] = None
    chosen[int(np.argmin(np.abs(probable - model.threshold)))] = None
    return tuple(Golden(tuple(rows.values[row].tolist()), float(probable[row])) for row in sorted(chosen))
