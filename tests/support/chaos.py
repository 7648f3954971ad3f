"""`python -m tests.support.chaos [TURNS]`: kills a whole local platform under load, and looks for all that was accepted.

Each turn sends events of both tenants from several threads, kills the emulator and everything that it started (SIGKILL to its process
group) at a random moment, starts it again, and sends what was answered `accepted` a second time: all of it must be a
duplicate, which says that it is stored with the content that was sent. At the end every one must be archived, projected and
routed. A short form without a deployment is in `make test` (tests/integration/test_durable_emulator.py).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import urllib3

from cli.batches import MOST_EVENTS
from cli.local import emulator, process
from cli.places import Places, checkout
from tests.support import events
from tests.support.client import Client, eventually

ROOT = Path(__file__).parents[2]
ORGS = ("org_acme", "org_globex")
SENDERS = 3
UP_SECONDS = 600
SETTLE_SECONDS = 300
WARM_SECONDS = 60

Accepted = dict[tuple[str, str], dict[str, Any]]


def millrace(*arguments: str, seconds: float) -> None:
    """Runs the command as a user does."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        raise AssertionError(f"millrace {' '.join(arguments)}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def kill(running: process.Running) -> None:
    """Kills the platform with all that it started, and waits until it is gone."""
    os.killpg(running.pid, signal.SIGKILL)
    assert eventually(lambda: not process.taken(running.port), bool, seconds=20)


class Load:
    """Sends until it is told to stop, and remembers what was answered `accepted`."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self.accepted: Accepted = {}
        self._client, self._over = client, threading.Event()
        seeds = [chance.random() for _ in range(SENDERS)]
        self._threads = [
            threading.Thread(target=self._send, args=(random.Random(seed),), daemon=True) for seed in seeds
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits for the answers that are on their way."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, chance: random.Random) -> None:
        while not self._over.is_set():
            org = chance.choice(ORGS)
            make = chance.choice((events.order, events.transaction, events.health_check))
            sent = [make() for _ in range(chance.choice((1, 1, 2, 10)))]
            try:
                answer = self._client.post(sent, org=org)
            except (urllib3.exceptions.HTTPError, ValueError):
                # The connection ended in the middle: nothing was promised.
                continue
            if answer.status >= 500 or "results" not in answer.body:
                continue
            for event, result in zip(sent, answer.body["results"], strict=True):
                if result["status"] == "accepted":
                    self.accepted[org, event["eventId"]] = event


def turn(client: Client, places: Places, chance: random.Random) -> tuple[Accepted, str]:
    """One kill under load, and the start after it: what was accepted, and what the start says."""
    running = process.running(places)
    assert running is not None
    load = Load(client, chance)
    # The functions start cold, which takes seconds; a kill before there is something to lose shows nothing.
    assert eventually(lambda: load.accepted, bool, seconds=WARM_SECONDS), "nothing was accepted"
    time.sleep(chance.uniform(0, 3))
    kill(running)
    load.stop()
    # What `millrace up` does where nothing has changed.
    emulator.start(places, running.port)
    return load.accepted, emulator.recovery(running.port) or "no word of an unclean stop"


def lost(client: Client, accepted: Accepted) -> list[str]:
    """Events that are not stored as they were sent: what is there is a duplicate."""
    wrong = []
    for org in ORGS:
        sent = [event for (whose, _), event in accepted.items() if whose == org]
        for start in range(0, len(sent), MOST_EVENTS):
            part = sent[start : start + MOST_EVENTS]
            results = client.post(part, org=org).body["results"]
            wrong += [f"{one['eventId']} {one['status']}" for one in results if one["status"] != "duplicate"]
    return wrong


def incomplete(client: Client, accepted: Accepted) -> dict[tuple[str, str], str]:
    """Events that have not taken every step after the platform had time to settle, by their steps."""
    left = dict.fromkeys(accepted, "")

    def look() -> dict[tuple[str, str], str]:
        for org, name in list(left):
            trace = client.get(f"/v1/events/{name}/trace", org=org).body
            left[org, name] = ", ".join(step["step"] for step in trace.get("steps", ()))
            if trace.get("status") == "complete":
                del left[org, name]
        return left

    return eventually(look, lambda left: not left, seconds=SETTLE_SECONDS)


def main(arguments: list[str]) -> int:
    """Ends with 1 when an accepted event is not where it belongs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("turns", nargs="?", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=4599)
    parser.add_argument("--minutes", type=float, default=60, help="no kill begins later")
    options = parser.parse_args(arguments)
    chance, accepted, wrong = random.Random(options.seed), Accepted(), 0
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=ROOT / ".local") as folder:
        os.environ |= {"MILLRACE_PORT": str(options.port), "MILLRACE_LOCAL": folder}
        places = checkout()
        try:
            millrace("up", "--no-events", seconds=UP_SECONDS)
            outputs, keys = (json.loads(path.read_text()) for path in (places.outputs, places.keys))
            client = Client(outputs, keys, f"http://127.0.0.1:{options.port}")
            kills, end = 0, time.monotonic() + options.minutes * 60
            while kills < options.turns and time.monotonic() < end:
                kills += 1
                accepted_now, said = turn(client, places, chance)
                gone = lost(client, accepted_now)
                accepted |= accepted_now
                wrong += len(gone)
                sys.stdout.write(f"kill {kills}: {len(accepted_now)} accepted; {said}\n")
                if gone:
                    sys.stdout.write(f"LOST {len(gone)}: {gone[:3]}\n")
                sys.stdout.flush()
            for (org, name), steps in incomplete(client, accepted).items():
                wrong += 1
                sys.stdout.write(f"INCOMPLETE {name} of {org}: only {steps or 'no trace'}\n")
        finally:
            millrace("down", "--reset", seconds=120)
    sys.stdout.write(f"{kills} kills, {len(accepted)} events accepted, {wrong} not where they belong\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
