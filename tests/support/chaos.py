"""`python -m tests.support.chaos [TURNS]`: kills a whole local platform under load, and looks for all that was accepted.

Each turn sends events of both tenants from several threads, kills the emulator and everything that it started (SIGKILL to its process
group) at a random moment, and starts it again with `millrace up`. Afterwards every event that was answered `accepted` must be
stored with the content that was sent, archived, projected and routed.
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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3

from tests.support import events
from tests.support.client import Client, eventually

ROOT = Path(__file__).parents[2]
ORGS = ("org_acme", "org_globex")
SENDERS = 3
UP_SECONDS = 600
SETTLE_SECONDS = 120
WARM_SECONDS = 60

Accepted = dict[tuple[str, str], dict[str, Any]]


def millrace(*arguments: str, environ: Mapping[str, str], seconds: float) -> str:
    """Runs the command as a user does; its last line."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(environ), capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise AssertionError(f"millrace {' '.join(arguments)}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stderr + done.stdout


def kill(folder: Path) -> None:
    """Kills the platform of a folder with all that it started, and waits until it is gone."""
    process = json.loads((folder / "ministack.pid").read_text())
    os.killpg(process["pid"], signal.SIGKILL)
    with_port = urllib3.PoolManager(timeout=1, retries=False)

    def refused() -> bool:
        try:
            with_port.request("GET", f"http://127.0.0.1:{process['port']}/_ministack/health")
        except urllib3.exceptions.HTTPError:
            return True
        return False

    assert eventually(refused, bool, seconds=20)


class Load:
    """Sends until it is told to stop, and remembers what was answered `accepted`."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self.accepted: Accepted = {}
        self._client, self._over = client, threading.Event()
        seeds = [chance.random() for _ in range(SENDERS)]
        self._threads = [threading.Thread(target=self._send, args=(random.Random(seed),)) for seed in seeds]
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
            sent = [make() for _ in range(chance.choice((1, 1, 5, 20)))]
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


def turn(client: Client, environ: Mapping[str, str], chance: random.Random) -> tuple[Accepted, str]:
    """One kill under load, and the start after it: what was accepted, and what the start says."""
    load = Load(client, chance)
    # The functions start cold, which takes seconds; a kill before there is something to lose shows nothing.
    assert eventually(lambda: load.accepted, bool, seconds=WARM_SECONDS), "nothing was accepted"
    time.sleep(chance.uniform(0, 5))
    kill(Path(environ["MILLRACE_LOCAL"]))
    load.stop()
    said = millrace("up", "--no-events", environ=environ, seconds=UP_SECONDS)
    return load.accepted, next((line for line in said.splitlines() if "journal" in line), said)


def missing(client: Client, accepted: Accepted) -> dict[str, list[str]]:
    """Events that are not where they belong after the platform had time to settle, by what is wrong."""

    def look() -> dict[str, list[str]]:
        wrong: dict[str, list[str]] = {}
        for (org, name), event in accepted.items():
            found = client.get(f"/v1/events/{name}", org=org)
            if found.status != 200:
                wrong.setdefault("not in Events", []).append(name)
                continue
            if {key: found.body[key] for key in event} != event:
                wrong.setdefault("other content", []).append(name)
            trace = client.get(f"/v1/events/{name}/trace", org=org).body
            if trace["status"] != "complete":
                wrong.setdefault(f"only {[step['step'] for step in trace['steps']]}", []).append(name)
        return wrong

    return eventually(look, lambda wrong: not wrong, seconds=SETTLE_SECONDS)


def main(arguments: list[str]) -> int:
    """Ends with 1 when an accepted event is not where it belongs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("turns", nargs="?", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=4599)
    options = parser.parse_args(arguments)
    chance, accepted, lost = random.Random(options.seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=ROOT / ".local") as folder:
        environ = {**os.environ, "MILLRACE_PORT": str(options.port), "MILLRACE_LOCAL": folder}
        try:
            millrace("up", "--no-events", environ=environ, seconds=UP_SECONDS)
            outputs = json.loads((Path(folder) / "outputs.json").read_text())
            keys = json.loads((Path(folder) / "keys.json").read_text())
            client = Client(outputs, keys, f"http://127.0.0.1:{options.port}")
            for number in range(1, options.turns + 1):
                found, said = turn(client, environ, chance)
                wrong = missing(client, found)
                accepted, lost = accepted + len(found), lost + sum(map(len, wrong.values()))
                sys.stdout.write(f"kill {number}: {len(found)} accepted; {said.strip()}\n")
                for what, names in wrong.items():
                    sys.stdout.write(f"NOT  {what}: {len(names)}, {names[:3]}\n")
                sys.stdout.flush()
        finally:
            millrace("down", "--reset", environ=environ, seconds=120)
    sys.stdout.write(f"{options.turns} kills, {accepted} events accepted, {lost} not where they belong\n")
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
