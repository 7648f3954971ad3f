"""Rows that are named by a user: pointers of UserEvents, and what FeatureStore keeps for decisions. Each moves to the person's number."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cli.protecting.counts import Counts
from cli.protecting.rewriter import Rewriter
from cli.protecting.table import writers
from millrace.core import clock, keys
from millrace.core.table import Item, Table
from millrace.privacy.identities import is_number


@dataclass(frozen=True, slots=True)
class PointerRows:
    """Moves pointers, whatever their events are by now: those of a redrive as well.

    Attributes:
        user_events: the table.
        rewriter: says what stands for a user.
        is_dry: whether nothing is written.
    """

    user_events: Table
    rewriter: Rewriter
    is_dry: bool = False
    _pool: ThreadPoolExecutor = field(default_factory=writers, init=False, repr=False)

    def rewrite(self, items: Sequence[Item]) -> Counts:
        """Moves those of some pointers that are named by a user's id.

        Raises:
            MillraceError: a table or KMS did not answer.
        """
        counts = Counts(rows=len(items))
        held: dict[str, list[tuple[Item, str]]] = defaultdict(list)
        for item in items:
            org, user = keys.user_of(item["userKey"]["S"])
            if user is not None and not is_number(user):
                counts.rewritten += 1
                held[org].append((item, user))
        for org, found in held.items() if not self.is_dry else ():
            # By the moment of the event, as the row has it: who had the name then may be another than who has it now.
            at = [clock.parse(item["sortKey"]["S"].partition(keys.SEPARATOR)[0]) for item, _ in found]
            users = [(user, moment) for (_, user), moment in zip(found, at, strict=True)]
            numbers = self.rewriter.standing_for(org, users)
            moved = [
                (item, {**item, "userKey": {"S": keys.by_user(org, number)}})
                for (item, _), number in zip(found, numbers, strict=True)
            ]
            for _ in self._pool.map(lambda move: self._move(*move), moved):
                pass
        return counts

    def _move(self, item: Item, moved: Item) -> None:
        key = {name: item[name] for name in ("userKey", "sortKey")}
        self.user_events.transact(
            [{"Put": {"Item": moved}}, {"Delete": {"Key": key}}], doing="move a pointer"
        )


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Moves the rows that are kept of a user for decisions to the person's number; what is there already stays."""

    features: Table
    rewriter: Rewriter
    groups: Sequence[str]
    is_dry: bool = False

    def rewrite(self, items: Sequence[Item]) -> Counts:
        """Moves those of some rows of FeatureStore that are named by a user's id.

        Raises:
            MillraceError: a table or KMS did not answer.
        """
        counts = Counts(rows=len(items))
        for org, group, user, item in self._named(items):
            counts.rewritten += 1
            if self.is_dry:
                continue
            # The hash of a long id leads to nobody's row; what is computed of the person is written again under the number.
            number = self.rewriter.number(org, user) if user else None
            if number is not None:
                moved = {**item, "featureKey": {"S": keys.join(org, group, number)}}
                self.features.put(moved, condition="attribute_not_exists(featureKey)", doing="move features")
            key = {name: item[name] for name in ("featureKey", "sortKey")}
            self.features.delete(key, doing="remove features")
        return counts

    def _named(self, items: Sequence[Item]) -> Iterator[tuple[str, str, str, Item]]:
        for item in items:
            org, _, rest = item["featureKey"]["S"].partition(keys.SEPARATOR)
            group, _, user = rest.partition(keys.SEPARATOR)
            name = "" if user.startswith(keys.SEPARATOR) else keys.unescape(user)
            if group in self.groups and user and not is_number(name):
                yield keys.unescape(org), group, name, item
