"""Events on their way out: what is read, how it is cut, how answers are merged."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.batches import MOST_BYTES, MOST_EVENTS, Line, Merged, all_accepted, batches, body, read_events


def answer(*statuses: str) -> dict[str, Any]:
    return {"results": [{"index": i, "eventId": f"e{i}", "status": s} for i, s in enumerate(statuses)]}


def lines(count: int, start: int = 0) -> list[Line]:
    return [Line(start + number, b'{"eventId":"e%d"}' % number) for number in range(count)]


class TestReading:
    def test_an_object_is_one_event(self) -> None:
        assert read_events(b' {"a": 1}\n') == [b'{"a":1}']

    def test_an_array_is_its_events_whatever_they_are(self) -> None:
        assert read_events(b'[{"a": 1}, 3, null]') == [b'{"a":1}', b"3", b"null"]

    def test_broken_lines_of_ndjson_stay_as_they_are_and_blank_ones_go(self) -> None:
        text = b'{"a":1}\r\n\n  {"a": 1e400}\n{"b":\n\xff\xfe\n'
        assert read_events(text) == [b'{"a":1}', b'{"a": 1e400}', b'{"b":', b"\xff\xfe"]

    @pytest.mark.parametrize(
        "text", [b"", b"  \n", b"[]", b"17", b'"text"', b"eventId,eventType\n1,2\n", b"\x00\xff"]
    )
    def test_what_holds_no_event_is_refused(self, text: bytes) -> None:
        with pytest.raises(ValueError, match="NDJSON"):
            read_events(text)


class TestCutting:
    def test_five_hundred_events_a_request(self) -> None:
        assert [len(batch) for batch in batches(lines(1201))] == [MOST_EVENTS, MOST_EVENTS, 201]

    def test_a_line_past_the_limit_travels_alone(self) -> None:
        huge = Line(1, b"x" * (MOST_BYTES + 1))
        assert [
            [line.index for line in batch] for batch in batches([Line(0, b"{}"), huge, Line(2, b"{}")])
        ] == [[0], [1], [2]]

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(min_value=1, max_value=MOST_BYTES + 10), max_size=12))
    def test_nothing_is_lost_or_moved_and_every_request_fits(self, sizes: list[int]) -> None:
        given_lines = [Line(index, bytes(size)) for index, size in enumerate(sizes)]
        cut = list(batches(given_lines))
        assert [line for batch in cut for line in batch] == given_lines
        assert all(len(batch) == 1 or len(body(batch)) <= MOST_BYTES for batch in cut)


class TestMerging:
    def test_results_keep_their_place_in_the_input(self) -> None:
        merged = Merged()
        merged.add(lines(2, start=500), answer("rejected", "accepted"))
        merged.add(lines(1), answer("duplicate"))
        document = merged.document()
        assert [(r["index"], r["status"]) for r in document["results"]] == [
            (0, "duplicate"), (500, "rejected"), (501, "accepted"),
        ]  # fmt: skip
        assert {name: document[name] for name in ("accepted", "duplicates", "conflicts", "rejected", "unavailable")} == {
            "accepted": 1, "duplicates": 1, "conflicts": 0, "rejected": 1, "unavailable": 0,
        }  # fmt: skip

    def test_a_later_answer_replaces_the_earlier_one(self) -> None:
        merged = Merged()
        repeated = merged.add(lines(3), answer("accepted", "unavailable", "conflict"))
        assert [line.index for line in repeated] == [1]
        assert merged.add(repeated, answer("accepted")) == []
        document = merged.document()
        assert (document["accepted"], document["conflicts"], document["unavailable"]) == (2, 1, 0)
        assert not all_accepted(document)

    @pytest.mark.parametrize(
        "values", [answer(), answer("accepted"), answer("accepted", "accepted", "accepted")]
    )
    def test_an_answer_that_misses_an_event_is_an_error(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="events sent: 2"):
            Merged().add(lines(2), values)

    def test_an_event_without_an_answer_is_noted_with_its_id(self) -> None:
        merged = Merged()
        merged.note(Line(4, b'{"eventId":"e"}'), "unavailable", message="busy")
        merged.note(Line(5, b"{broken"), "unavailable", message="busy")
        assert [result["eventId"] for result in merged.document()["results"]] == ["e", None]
        assert orjson.dumps(merged.document())
