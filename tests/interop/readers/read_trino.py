"""The tables as Trino reads them: a server of one node, which this starts and stops."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import trino

from tests.interop.readers import facts

START_SECONDS = 240
# Of the server's heap, in MB; its plugins need half of it.
HEAP_MB = 1500


def properties(endpoint: str) -> str:
    """`etc/catalog/millrace.properties`."""
    return f"""
# What docs/lakehouse.md says of trino:
connector.name=iceberg
iceberg.catalog.type=glue
hive.metastore.glue.region=us-east-1
fs.native-s3.enabled=true
s3.region=us-east-1
# not on AWS:
hive.metastore.glue.endpoint-url={endpoint}
hive.metastore.glue.aws-access-key=test
hive.metastore.glue.aws-secret-key=test
s3.endpoint={endpoint}
s3.path-style-access=true
s3.aws-access-key=test
s3.aws-secret-key=test
# So far docs/lakehouse.md.
"""


def start(home: Path, folder: Path, port: int, endpoint: str) -> subprocess.Popen[bytes]:
    """The server's process; `folder` holds its settings, log and data."""
    etc = {
        "node.properties": f"""
            node.environment=interop
            node.id=interop
            node.data-dir={folder / "data"}
            node.bind-ip=127.0.0.1
            node.internal-address=127.0.0.1
        """,
        "config.properties": f"""
            coordinator=true
            node-scheduler.include-coordinator=true
            http-server.http.port={port}
            discovery.uri=http://127.0.0.1:{port}
            query.max-memory={HEAP_MB // 3}MB
            query.max-memory-per-node={HEAP_MB // 3}MB
            memory.heap-headroom-per-node={HEAP_MB // 6}MB
        """,
        "jvm.config": f"-Xmx{HEAP_MB}M\n-Duser.timezone=UTC\n-Djdk.attach.allowAttachSelf=true\n",
        "catalog/millrace.properties": properties(endpoint),
    }
    for name, text in etc.items():
        path = folder / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.strip() for line in text.splitlines()))
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            [home / "bin" / "launcher", "run", "--etc-dir", folder / "etc"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def cursor(port: int) -> trino.dbapi.Cursor:
    """A cursor on the server."""
    return trino.dbapi.connect(host="127.0.0.1", port=port, user="interop", catalog="millrace").cursor()


def version(server: subprocess.Popen[bytes], port: int) -> str:
    """The server's version, once it answers.

    Raises:
        TimeoutError: it does not.
    """
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            row = cursor(port).execute("SELECT version()").fetchone()
        except Exception:  # noqa: BLE001  refused while it starts, in many ways
            time.sleep(1)
        else:
            return str(row[0])
    raise TimeoutError("the server did not start; see its server.log")


def main() -> None:
    """Answers."""
    home, folder = Path(os.environ["TRINO_HOME"]), Path(os.environ["TRINO_FOLDER"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start(home, folder, port, facts.endpoint())
    try:

        def answer(question: facts.Question) -> facts.Facts:
            moment = f" FOR VERSION AS OF {question['snapshot']}" if question["snapshot"] else ""
            relation = f"{question['database']}.{question['name']}{moment}"
            rows = cursor(port).execute(facts.select(question, relation, facts.TRINO)).fetchall()
            return facts.of_select(question, rows)

        facts.serve(version(server, port), answer)
    finally:
        # Nothing of it is kept, so it need not end in an orderly way.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


if __name__ == "__main__":
    main()
