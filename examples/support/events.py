"""A support desk's events of the last two days: tickets, replies and ratings, as NDJSON. It stands for your own system.

python3 examples/support/events.py org_acme > acme.ndjson
"""

import argparse
import json
import random
import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

TENANTS = {"org_acme": 16, "org_globex": 9}
SUBJECTS = ("Invoice is wrong", "Cannot sign in", "Where is my parcel?", "How do I export?", "App crashes")
CHANNELS = ("email", "email", "chat", "phone")
PRIORITIES = ("low", "normal", "normal", "urgent")
FIRST = timedelta(hours=48)


def tickets(org: str, now: datetime) -> Iterator[dict[str, object]]:
    """Every event of a tenant, ticket by ticket, all before `now`."""
    chance = random.Random(org)  # noqa: S311  the same tickets for each reader
    for number in range(TENANTS[org]):
        ticket, customer = f"tkt_{1001 + number}", f"cus_{chance.randint(1, 6)}"
        at = now - FIRST + timedelta(minutes=150 * number)
        opened = {
            "ticketId": ticket,
            "customerId": customer,
            "email": f"{customer}@example.org",
            "channel": chance.choice(CHANNELS),
            "priority": chance.choice(PRIORITIES),
            "subject": chance.choice(SUBJECTS),
            "tags": chance.sample(("billing", "login", "delivery"), chance.randint(0, 2)),
        }
        yield event(org, "ticket.opened", at, opened)
        replies = chance.randint(1, 3)
        for reply in range(replies):
            at += timedelta(minutes=chance.randint(5, 45))
            last = reply == replies - 1
            replied = {
                "ticketId": ticket,
                "replyId": f"{ticket}_{reply + 1}",
                "author": "agent" if last or reply == 0 else "customer",
                "agentId": f"agt_{chance.randint(1, 4)}" if last or reply == 0 else None,
                "minutesSpent": chance.randint(2, 20),
                "resolved": last,
            }
            yield event(org, "ticket.replied", at, replied)
        if chance.random() < 0.7:
            score = chance.choice((1, 2, 4, 5, 5))
            rated = {"ticketId": ticket, "customerId": customer, "score": score}
            yield event(
                org,
                "ticket.rated",
                at + timedelta(minutes=30),
                {**rated, "comment": "Took too long"} if score < 3 else rated,
            )


def event(org: str, event_type: str, at: datetime, payload: Mapping[str, object]) -> dict[str, object]:
    """A whole event; the same content has the same id."""
    moment = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    named = json.dumps([org, event_type, moment, payload], sort_keys=True)
    return {
        "eventId": str(uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_URL, named).bytes, version=4)),
        "eventType": event_type,
        "timestamp": moment,
        "data": {"payload": payload},
    }


def main() -> None:
    """Prints the events of the tenant that the command line names."""
    parser = argparse.ArgumentParser(description="Print a support desk's events of the last two days.")
    parser.add_argument("org", choices=sorted(TENANTS))
    org = parser.parse_args().org
    for one in tickets(org, datetime.now(UTC)):
        sys.stdout.write(f"{json.dumps(one)}\n")


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        # Whoever read it had enough.
        sys.stderr.close()
