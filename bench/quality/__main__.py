"""`python -m bench.quality`: the platform's feature views and models on card transactions, beside what others published.

Its last line is JSON: `{"models": {"random_forest": {"auc_roc": …, "average_precision": …, "card_precision_at_100": …}, …}}`.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.quality import cards
from millrace.compiler.feature_views import compile_views
from millrace.features.views import FeatureViews
from millrace.training import dataset
from millrace.training.algorithms import ALGORITHMS
from millrace.training.errors import TrainingError
from millrace.training.metrics import gate_text
from millrace.training.split import Period, Split
from millrace.training.train import Evaluation, TrainedModel, evaluate, train

SCHEMAS = Path(__file__).parents[2] / "schemas"
METRICS = ("auc_roc", "average_precision", "card_precision_at_100")
# Fraud Detection Handbook, chapter 3, "Baseline fraud detection system": trained on 2018-07-25…07-31, delay 7 days, tested on
# 2018-08-08…08-14. Its boosting is XGBoost.
PUBLISHED = {
    "logistic_regression": (0.871, 0.606, 0.291),
    "random_forest": (0.867, 0.658, 0.287),
    "gradient_boosting": (0.862, 0.639, 0.273),
}
PUBLISHED_SPLIT = Split(
    Period(date(2018, 7, 25), date(2018, 7, 31)), 7, Period(date(2018, 8, 8), date(2018, 8, 14))
)
_SHOWN = 6


def main(arguments: Sequence[str]) -> int:
    """Runs the benchmark: 0 when it has run, 1 when these days can make no model, 2 when it was called wrongly."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        split = Split(
            Period(options.train_from, options.train_to),
            options.delay,
            Period(options.test_from, options.test_to),
        )
    except TrainingError as error:
        parser.error(str(error))
    try:
        evaluated = _run(options.data, split)
    except cards.DataError as error:
        parser.error(str(error))
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_table(evaluated, split))
    models = {
        model.algorithm: {name: round(getattr(judged.metrics, name), 4) for name in METRICS}
        for model, judged in evaluated
    }
    sys.stdout.write(json.dumps({"models": models}) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench-fraud",
        usage=(
            "make bench-fraud DATA=FOLDER TRAIN_FROM=2018-07-25 TRAIN_TO=2018-07-31 DELAY=7 "
            "TEST_FROM=2018-08-08 TEST_TO=2018-08-14"
        ),
        description="Trains on one period, judges on a later one. Days are included; DELAY is in days.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DATA")
    for name in ("train-from", "train-to", "test-from", "test-to"):
        parser.add_argument(f"--{name}", type=_day, required=True, metavar=name.upper().replace("-", "_"))
    parser.add_argument("--delay", type=int, required=True, metavar="DELAY")
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; write 2018-07-25") from None


def _run(folder: Path, split: Split) -> list[tuple[TrainedModel, Evaluation]]:
    views = FeatureViews.from_json({"views": compile_views(SCHEMAS)}).with_delay(
        split.delay_days * dataset.DAY_US
    )
    with TemporaryDirectory() as temporary:
        started = time.monotonic()
        with cards.connect(folder, split.test.last, Path(temporary)) as connection:
            data = cards.rows(connection, split, views)
        _say(f"{len(data)} rows with {len(data.names)} features each", started)
    judged = dataset.judged_on(data, split)
    trained = dataset.trained_on(data, split)
    _say(
        f"trained on {split.train}: {len(trained)} rows, {trained.labels.sum()} frauds; "
        f"judged on {split.test}: {len(judged)} rows, {judged.labels.sum()} frauds"
    )
    evaluated = []
    for algorithm in ALGORITHMS:
        started = time.monotonic()
        model = train(data, split, algorithm)
        evaluated.append((model, evaluate(model, data, split)))
        _say(f"{algorithm.name}: {dict(model.settings)}", started)
        heaviest = list(model.importances.items())[:_SHOWN]
        _say("  heaviest: " + ", ".join(f"{name.partition('__')[2]} {fall:.3f}" for name, fall in heaviest))
    return evaluated


def _say(text: str, started: float | None = None) -> None:
    took = "" if started is None else f" ({time.monotonic() - started:.0f} s)"
    sys.stderr.write(f"{text}{took}\n")
    sys.stderr.flush()


def _table(evaluated: Sequence[tuple[TrainedModel, Evaluation]], split: Split) -> str:
    published = split == PUBLISHED_SPLIT
    lines = [
        "",
        f"trained {split.train}, delay {split.delay_days} days, tested {split.test}"
        + ("" if published else "; the published figures are of another week, 2018-08-08…2018-08-14"),
        f"{'':22}{'AUC ROC':>18}{'average precision':>22}{'card precision@100':>22}",
        f"{'model':22}{'here':>9}{'publ.':>9}{'here':>13}{'publ.':>9}{'here':>13}{'publ.':>9}",
    ]
    for model, judged in evaluated:
        cells = [f"{model.algorithm:22}"]
        for place, name in enumerate(METRICS):
            width = 9 if place == 0 else 13
            cells.append(
                f"{getattr(judged.metrics, name):>{width}.3f}{PUBLISHED[model.algorithm][place]:>9.3f}"
            )
        lines.append("".join(cells))
    lines.append("")
    for model, judged in evaluated:
        verdict = "passes the gates" if judged.passed else "does not pass the gates"
        lines.append(
            f"{model.algorithm} {verdict}: {', '.join(map(gate_text, judged.gates))}; threshold {model.threshold:.3f}, "
            f"Brier {judged.metrics.brier:.4f}"
        )
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
