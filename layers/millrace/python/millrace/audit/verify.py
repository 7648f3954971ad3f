"""Whether chains of the audit are as they were written: pure, over lines and anchors from wherever they were read."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from millrace.audit.anchor import Anchor
from millrace.audit.order import Order, missing, numbers_text
from millrace.audit.verdict import CHANGED, INSERTED, REMOVED, Broken, Chain, Verdict
from millrace.core import audit, clock
from millrace.core.audit import Head, Line


def verify_chain(
    org: str,
    lines: Iterable[Line],
    anchored: Mapping[str, Head],
    now: datetime,
    first: int = 1,
    saved: Head | None = None,
) -> Verdict:
    """Checks a tenant's lines in their order, and against the ends that anchors keep of them.

    Args:
        org: the tenant.
        lines: as they are stored, oldest first; those of more than seven years may be gone.
        anchored: the key of each anchor that names the tenant, with the end of its chain.
        now: what is older than seven years by it may be missing.
        first: the number that `lines` begin at.
        saved: the end that the chain had when it was saved to the file that `lines` are of.
    """
    order, ends = Order(org), _Ends(anchored)
    count, lowest, highest = 0, Head(), Head()
    began = ""
    for line in lines:
        count += 1
        order.add(line)
        ends.see(line)
        if count == 1 or line.number < lowest.number:
            lowest, began = line.head, line.previous_at
        if line.number > highest.number:
            highest = line.head
    broken = list(order.problems(first, may_begin_later=_expired(began, now)))
    broken += ends.problems(org)
    broken += _end_problems(org, highest.number, anchored, saved, now)
    number, key = ends.newest
    chain = Chain(org, count, lowest.number, highest.number, lowest.at, highest.at, number, key)
    return Verdict(count, broken=broken, chains=[chain])


class _Ends:
    """The ends that anchors keep, and what stands there."""

    def __init__(self, anchored: Mapping[str, Head]) -> None:
        self._anchored = anchored
        self._keys: dict[int, list[str]] = {}
        self._found: set[int] = set()
        self._fitting: set[str] = set()
        for key, head in anchored.items():
            self._keys.setdefault(head.number, []).append(key)

    def see(self, line: Line) -> None:
        keys = self._keys.get(line.number)
        if keys is not None:
            self._found.add(line.number)
            self._fitting.update(key for key in keys if self._anchored[key].hash == line.hash)

    @property
    def newest(self) -> tuple[int, str]:
        """The highest number that an anchor keeps and that stands there, and the first anchor that does."""
        highest = max((self._anchored[key].number for key in self._fitting), default=0)
        return highest, min((key for key in self._keys.get(highest, ()) if key in self._fitting), default="")

    def problems(self, org: str) -> Iterator[Broken]:
        for key, head in self._anchored.items():
            if head.number in self._found and key not in self._fitting:
                why = f"line {head.number} is another one than when {key} was written"
                yield Broken(CHANGED, why, org, head.number, key)


def _end_problems(
    org: str, last: int, anchored: Mapping[str, Head], saved: Head | None, now: datetime
) -> Iterator[Broken]:
    """A removed end is told once, by whatever knows the longest chain."""
    known = {f"when {key} was written": head for key, head in anchored.items()}
    if saved is not None:
        known["when the file was saved"] = saved
    beyond = {when: head for when, head in known.items() if head.number > last and not _expired(head.at, now)}
    if beyond:
        when, head = max(beyond.items(), key=lambda one: one[1].number)
        yield missing(org, last + 1, head.number, f": the chain had {head.number:,} lines {when}")
    elif saved is not None and saved.number < last:
        what = numbers_text(saved.number + 1, last)
        yield Broken(INSERTED, f"{what}: not there when the file was saved", org, saved.number + 1)


def _expired(at: str, now: datetime) -> bool:
    """Whether what was written then may be gone; what is no moment may not."""
    try:
        return bool(at) and clock.parse(at) + audit.KEPT <= now
    except ValueError:
        return False


def verify_anchors(anchors: Iterable[Anchor], known: Mapping[str, str]) -> Verdict:
    """Checks anchors in their order: each carries the digest of the one before, and the platform's own chain names each.

    Args:
        anchors: oldest first.
        known: the key and the digest of each anchor that the platform's chain tells of.
    """
    verdict, last = Verdict(), None
    found: dict[str, str] = {}
    for anchor in anchors:
        verdict.anchors += 1
        found[anchor.key] = anchor.digest
        verdict.broken += _anchor_problems(anchor, last, known)
        last = anchor
    for key in sorted(known.keys() - found.keys()):
        verdict.broken.append(Broken(REMOVED, f"{key} was written and is not there", anchor=key))
    if last is not None:
        verdict.newest_anchor = last.key, last.digest
    return verdict


def _anchor_problems(anchor: Anchor, last: Anchor | None, known: Mapping[str, str]) -> Iterator[Broken]:
    if known.get(anchor.key, anchor.digest) != anchor.digest:
        yield Broken(CHANGED, f"{anchor.key} is another one than was written", anchor=anchor.key)
    if last is None:
        if anchor.previous_key:
            yield Broken(REMOVED, f"{anchor.previous_key} is missing", anchor=anchor.previous_key)
    elif anchor.previous_key != last.key:
        missing = anchor.previous_key or "what was there before"
        yield Broken(REMOVED, f"{anchor.key} follows {missing}, not {last.key}", anchor=missing)
    elif anchor.previous_digest != last.digest:
        yield Broken(
            CHANGED, f"{last.key} is another one than when {anchor.key} was written", anchor=last.key
        )
