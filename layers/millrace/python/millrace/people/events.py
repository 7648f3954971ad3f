"""The events of a person, by the pointers of UserEvents: under the person's number, and in rows from before under the user's id."""

from collections.abc import Iterable, Iterator

from millrace.core import keys
from millrace.core.table import KEYS_PER_CALL, Item, Table, is_expired


class PersonEvents:
    """Reads one person's rows of Events, a page at a time."""

    def __init__(self, events: Table, user_events: Table) -> None:
        """Makes no call."""
        self._events, self._user_events = events, user_events

    def rows(self, org: str, users: Iterable[str], most: int | None = None) -> Iterator[Item]:
        """Rows of a person's events, those of a page in no order; of the newest `most` under each name.

        Args:
            org: the tenant.
            users: what stands for the person in events: the number, as text, and the id.
            most: pointers that are read at most of each.

        Raises:
            MillraceError: a table did not answer.
        """
        for user in dict.fromkeys(users):
            yield from self._rows(org, user, most)

    def _rows(self, org: str, user: str, most: int | None) -> Iterator[Item]:
        pages = self._user_events.pages(
            "userKey = :user",
            {":user": {"S": keys.by_user(org, user)}},
            newest_first=True,
            projection="sortKey",
            page_size=KEYS_PER_CALL if most is None else min(most, KEYS_PER_CALL),
            doing="read pointers",
        )
        read = 0
        for page in pages:
            ids = [keys.id_of(item["sortKey"]["S"]) for item in page.items]
            wanted = [{"eventId": {"S": keys.event(org, one)}} for one in dict.fromkeys(ids)]
            rows = self._events.batch_get(wanted, doing="read events of a person")
            yield from (row for row in rows if not is_expired(row))
            read += len(ids)
            if most is not None and read >= most:
                return
