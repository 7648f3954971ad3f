"""bench/RESULTS.md: what was measured anew replaces its goal's rows, the rest stays."""

from bench import report
from bench.figure import Figure


def test_only_what_was_measured_is_written_anew() -> None:
    first = report.document(
        [Figure("P4", "old", 0.9, 1), Figure("P12", "stays", 5, 4, at_least=True)], "Load: 7"
    )
    repeated = report.document([Figure("P4", "new", 0.99, 1)], None, first)
    assert "| P4 | new | 0.99 | ≤ 1 | yes |" in repeated
    assert "old" not in repeated
    assert repeated.index("| P4 |") < repeated.index("| P12 | stays | 5 | ≥ 4 | yes |")
    assert repeated.endswith("decide otherwise: P4.\n\nLoad: 7\n")
