"""One `up` or `down` in a checkout at a time, and what the next one says of one that was stopped."""

import pytest

from cli.errors import NoPlatformError, RefusedError
from cli.local.commands import alone
from cli.places import Places, being_changed
from cli.target import find_target

SAID = "was stopped in the middle"


def test_a_second_one_is_refused_with_a_sentence(places: Places) -> None:
    with (
        alone(places),
        pytest.raises(RefusedError, match="another make up or make down is running"),
        alone(places),
    ):
        pass
    with alone(places):
        pass


@pytest.mark.parametrize(
    ("end", "said"), [(None, False), (RefusedError("the port is taken"), False), (KeyboardInterrupt(), True)]
)
def test_one_that_was_stopped_is_spoken_of_once(
    places: Places, capsys: pytest.CaptureFixture[str], end: BaseException | None, said: bool
) -> None:
    try:
        with alone(places):
            if end is not None:
                raise end
    except (RefusedError, KeyboardInterrupt):
        pass
    with alone(places):
        assert (SAID in capsys.readouterr().err) is said
    with alone(places):
        assert SAID not in capsys.readouterr().err


def test_commands_say_that_one_is_at_work(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLRACE_LOCAL", raising=False)
    below = places.root / "docs"
    below.mkdir(parents=True, exist_ok=True)
    assert not being_changed(below)
    with alone(places):
        assert being_changed(below)
        monkeypatch.chdir(below)
        with pytest.raises(NoPlatformError, match="at work here; wait"):
            find_target(None)
    assert not being_changed(below)
    with pytest.raises(NoPlatformError, match="no local platform here"):
        find_target(None)
