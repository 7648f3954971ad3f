"""Two executions of one interval at once: whatever their order, what they leave is what one leaves."""

import threading
from collections.abc import Iterator, Sequence

from tests.support.pipelinefaults.state import Reader
from tests.support.pipelinefaults.story import INTERVAL, Story
from tests.support.state_machine import Call, Execution

TURN_SECONDS = 120


class Baton:
    """Lets one of two threads go on at a time, from the boundary of a task to the next, as `turns` says.

    Args:
        turns: whose turn it is, 0 or 1, task by task; afterwards they take turns until both have ended.
    """

    def __init__(self, turns: Sequence[int]) -> None:
        self._turns = list(turns)
        self._running, self._left = 0, {0, 1}
        self._changed = threading.Condition()
        self._next()

    def wait(self, who: int) -> None:
        """Until it is this one's turn.

        Raises:
            TimeoutError: the other did not come to a boundary.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._running == who, TURN_SECONDS):
                raise TimeoutError(f"execution {who} waited for more than {TURN_SECONDS} s")

    def hand_on(self, who: int) -> None:
        """The end of a turn."""
        with self._changed:
            self._next(who)
            self._changed.notify_all()

    def end(self, who: int) -> None:
        """It takes no more turns."""
        with self._changed:
            self._left.discard(who)
            self._next(who)
            self._changed.notify_all()

    def _next(self, before: int = 1) -> None:
        chosen = self._turns.pop(0) if self._turns else 1 - before
        self._running = chosen if chosen in self._left else next(iter(self._left), chosen)


def at_once(story: Story, turns: Sequence[int]) -> list[str]:
    """Runs two executions task by task in this order, then to rest; in a sentence each, what is wrong with the end."""
    assert story.expected is not None
    story.world.restore()
    story.calls.arm()
    reader = Reader(story.world.lake, story.old, story.expected.tables)
    baton, said = Baton(turns), list[str]()
    ended: dict[int, Execution] = {}

    def run(who: int) -> None:
        def hook(call: Call) -> None:
            if call.when == "after":
                return
            reader.look()
            baton.hand_on(who)
            baton.wait(who)

        baton.wait(who)
        try:
            ended[who] = story.machine(hook).run(f"{INTERVAL}-{who + 1}")
        except (AssertionError, TimeoutError) as error:
            said.append(str(error))
        finally:
            baton.end(who)

    threads = [threading.Thread(target=run, args=(who,), name=f"execution-{who}") for who in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10 * TURN_SECONDS)
    if said:
        return said
    try:
        reader.look()
        story.nothing_lost()
        if not any(one.status == "SUCCEEDED" for one in ended.values()):
            said.append(f"neither ended well: {ended[0].cause} {ended[1].cause}")
        first = story.different(story.end())
        if first:
            # What one of them gave up to the other is found by the next run, which comes within the hour.
            rest = story.run_to_rest("hourly_etl-20261121T11", reader)
            if rest[-1].status != "SUCCEEDED":
                said.append(f"no rest: {rest[-1].cause}")
            repeated = story.different(story.end())
            said += [f"after the next run too: {one}" for one in repeated]
            story.needed_another.append(first)
    except AssertionError as error:
        said.append(str(error))
    return said


def interleavings(story: Story) -> Iterator[tuple[str, list[str]]]:
    """In step, one a task ahead, and the second as a whole between any two tasks of the first."""
    tasks = sum(point.call == "lambda.Invoke" for point in story.points)
    yield "in step", at_once(story, [])
    yield "the second first", at_once(story, [1, 0])
    for ahead in range(1, tasks):
        yield f"the second after task {ahead}", at_once(story, [0] * (ahead + 1) + [1] * (tasks + 9))
