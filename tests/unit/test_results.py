"""bench/RESULTS.md: what was measured anew replaces its goal's rows, the rest stays."""

from bench import report
from bench.figure import Figure


def test_only_what_was_measured_is_written_anew() -> None:
    first = report.document(
        [Figure("P4", "old", 0.9, 1), Figure("P12", "stays", 5, 4, at_least=True)], "Load: 7"
    )
    again = report.document([Figure("P4", "new", 0.99, 1)], None, first)
    assert "| P4 | new | 0.99 | ≤ 1 | yes |" in again
    assert "old" not in again
    assert again.index("| P4 |") < again.index("| P12 | stays | 5 | ≥ 4 | yes |")
    assert again.endswith("decide otherwise: P4.\n\nLoad: 7\n")
