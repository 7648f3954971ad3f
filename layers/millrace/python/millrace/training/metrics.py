"""How well scores find fraud, and what a model must reach on held-out time before it may be deployed."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from millrace.model_registry.artifact import GateResult
from millrace.training.dataset import Floats, LabelledRows, Numbers
from millrace.training.errors import TrainingError

TOP = 100
# What each figure must be at least.
GATES: Mapping[str, float] = {"precision": 0.80, "recall": 0.70, "f1": 0.75}


@dataclass(frozen=True, slots=True)
class Metrics:
    """The figures of one model on rows that it has not seen.

    Attributes:
        auc_roc: area under the curve of true against false positives.
        average_precision: precision at each step of recall, weighted by the step.
        card_precision_at_100: of the 100 most suspicious cards a day, the share that was defrauded, averaged over days.
        precision: of the transactions called fraud, the share that is fraud.
        recall: of the frauds, the share that is called fraud.
        f1: the harmonic mean of both.
        brier: mean squared error of the score as a probability.
    """

    auc_roc: float
    average_precision: float
    card_precision_at_100: float
    precision: float
    recall: float
    f1: float
    brier: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure(data: LabelledRows, scores: Floats, threshold: float) -> Metrics:
    """All metrics of scores between 0 and 1; a score of `threshold` or above is called fraud.

    Raises:
        TrainingError: the rows are of one class.
    """
    if not 0 < data.labels.sum() < len(data):
        raise TrainingError("the rows to judge by are of one class")
    precision, recall, f1 = at_threshold(data.labels, scores, threshold)
    return Metrics(
        auc_roc=float(roc_auc_score(data.labels, scores)),
        average_precision=float(average_precision_score(data.labels, scores)),
        card_precision_at_100=card_precision(data.days, data.cards, data.labels, scores, TOP),
        precision=precision,
        recall=recall,
        f1=f1,
        brier=float(brier_score_loss(data.labels, np.clip(scores, 0, 1))),
    )


def at_threshold(labels: Numbers, scores: Floats, threshold: float) -> tuple[float, float, float]:
    """Precision, recall and F1; a figure without a denominator is 0."""
    called = scores >= threshold
    hits = int((called & (labels == 1)).sum())
    precision = hits / int(called.sum()) if called.any() else 0.0
    recall = hits / int(labels.sum()) if labels.any() else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0


def best_threshold(labels: Numbers, scores: Floats) -> float:
    """The score at and above which F1 is greatest; of several the highest.

    Raises:
        TrainingError: there is no fraud among the labels.
    """
    if not labels.any():
        raise TrainingError("without fraud there is no threshold")
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order])
    # Equal scores are called together: only the last of them can be a cut.
    cuts = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    f1 = 2 * hits[cuts] / (cuts + 1 + labels.sum())
    return float(ranked[cuts[int(np.argmax(f1))]])


def card_precision(days: Numbers, cards: Numbers, labels: Numbers, scores: Floats, top: int) -> float:
    """Precision of the `top` most suspicious cards of a day, averaged over days.

    As the Fraud Detection Handbook defines it (its chapter 4, "card precision top-k"): a card's score of a day is its
    highest, it is defrauded if any of its transactions is; a card that was found on one day is left out on all later
    ones; the denominator is always `top`. Cards with equal scores are taken by their number.
    """
    detected: set[int] = set()
    shares: list[float] = []
    by_day: dict[int, list[int]] = defaultdict(list)
    for row, day in enumerate(days.tolist()):
        by_day[day].append(row)
    for day in sorted(by_day):
        highest: dict[int, float] = {}
        defrauded: set[int] = set()
        for row in by_day[day]:
            card = int(cards[row])
            if card in detected:
                continue
            highest[card] = max(highest.get(card, -np.inf), float(scores[row]))
            if labels[row] == 1:
                defrauded.add(card)
        ranked = sorted(highest, key=lambda card: (-highest[card], card))[:top]
        hits = [card for card in ranked if card in defrauded]
        detected.update(hits)
        shares.append(len(hits) / top)
    return float(np.mean(shares))


def gates(metrics: Metrics) -> tuple[GateResult, ...]:
    """Every gate; all must be passed."""
    values = {name: getattr(metrics, name) for name in GATES}
    return tuple(
        GateResult(name, least, values[name], values[name] >= least) for name, least in GATES.items()
    )


def gate_text(gate: GateResult) -> str:
    """`recall 0.650 is 0.050 below 0.70`."""
    if gate.passed:
        return f"{gate.name} {gate.value:.3f} ≥ {gate.least:.2f}"
    return f"{gate.name} {gate.value:.3f} is {gate.least - gate.value:.3f} below {gate.least:.2f}"
