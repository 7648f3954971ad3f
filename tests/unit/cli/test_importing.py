"""`millrace import`: what it sends, waits for, writes and says."""

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from cli import importing
from cli.api import ApiResponse
from cli.commands import import_files
from cli.errors import RefusedError, UsageError
from cli.main import run

DONE: dict[str, Any] = {
    "importId": "0" * 32,
    "file": "a.csv",
    "state": "done",
    "dryRun": False,
    "rows": 3,
    "accepted": 2,
    "duplicates": 1,
    "rejected": 0,
    "refused": [],
    "message": None,
}
ERROR = {"pointer": "/data/payload/amount", "code": "minimum", "message": "must be >= 0, got -3"}
BAD = {**DONE, "accepted": 1, "rejected": 1, "refused": [{"line": 3, "errors": [ERROR]}]}


class FakeApi:
    """Gives addresses, and answers each report in turn."""

    asked: list[tuple[str, Any]] = []  # noqa: RUF012
    reports: list[ApiResponse] = []  # noqa: RUF012
    pages: list[dict[str, Any]] = []  # noqa: RUF012

    def __init__(self, *_: object) -> None:
        """Asks nothing."""

    def ask(self, _: str, path: str, *, body: bytes = b"null", query: Any = None) -> Any:
        self.asked.append((path, query or json.loads(body)))
        if path.endswith("/refused"):
            return self.pages[0 if query["cursor"] is None else 1]
        upload = {"method": "PUT", "url": "http://lake/x", "headers": {"x-amz-meta-options": "{}"}}
        return {"importId": "0" * 32, "upload": upload}

    def call(self, *_: object) -> ApiResponse:
        return self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]

    def refusal(self, answer: ApiResponse) -> RefusedError:
        return RefusedError(str(answer.status))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, dict[str, str]]]:
    put: list[tuple[bytes, dict[str, str]]] = []

    def request(_: str, __: str, *, body: Any, headers: dict[str, str], **___: object) -> SimpleNamespace:
        put.append((body.read(), headers))
        return SimpleNamespace(status=200)

    FakeApi.asked, FakeApi.reports = [], [ApiResponse(404, {}), ApiResponse(200, DONE)]
    monkeypatch.setattr(import_files, "Api", FakeApi)
    monkeypatch.setattr(import_files, "find_target", lambda _: None)
    monkeypatch.setattr(urllib3, "request", request)
    monkeypatch.setattr(importing, "PAUSE_SECONDS", 0.0)
    return put


def test_a_file_is_sent_with_what_is_declared_and_its_report_awaited(
    tmp_path: Path, sent: list[tuple[bytes, dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "o.json").write_text('{"decimal":",","columns":{"a":"/data/payload/a"}}')
    said = ["--id", "x", "--column", "b=", "--options", str(tmp_path / "o.json"), "--dry-run"]
    assert run(["import", str(tmp_path / "a.csv"), "--type", "order.created", *said, "--json"]) == 0
    assert sent == [(b"x\n1\n", {"x-amz-meta-options": "{}", "content-length": "4"})]
    columns = {"a": "/data/payload/a", "b": ""}
    options = {"decimal": ",", "columns": columns, "id": "x", "dryRun": True}
    assert FakeApi.asked == [
        ("/v1/imports", {"eventType": "order.created", "name": "a.csv", "options": options})
    ]
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "rows": 3,
        "accepted": 2,
        "duplicates": 1,
        "rejected": 0,
        "report": f"/v1/imports/{'0' * 32}",
    }


def test_refused_rows_are_told_and_written(
    tmp_path: Path, sent: list[tuple[bytes, dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    FakeApi.reports = [ApiResponse(200, BAD)]
    pages = [(b"x\n-3\n", "next"), (b"-4\n", None)]
    FakeApi.pages = [{"content": base64.b64encode(one).decode(), "cursor": cursor} for one, cursor in pages]
    (tmp_path / "a.csv").write_text("x\n1\n")
    bad, report = tmp_path / "bad.csv", tmp_path / "report.json"
    files = ["--refused", str(bad), "--report", str(report)]
    assert run(["import", str(tmp_path / "a.csv"), "--type", "t", *files]) == 1
    assert (bad.read_bytes(), json.loads(report.read_bytes())["refused"]) == (b"x\n-3\n-4\n", BAD["refused"])
    shown = capsys.readouterr().out
    assert "line 3: /data/payload/amount must be >= 0, got -3" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert len(sent) == 1


def test_an_import_that_is_refused_or_never_begun_is_no_success(
    tmp_path: Path, sent: list[tuple[bytes, dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    FakeApi.reports = [ApiResponse(200, {**DONE, "state": "refused", "message": "the file has no rows"})]
    assert run(["import", str(tmp_path / "a.csv"), "--type", "t"]) == 1
    assert "the file has no rows" in capsys.readouterr().out
    importing_seconds: list[float] = []
    FakeApi.reports = [ApiResponse(404, {})]
    importing.PAUSE_SECONDS = 50.0
    with pytest.raises(RefusedError, match="not begun"):
        importing.awaited(FakeApi(), "0" * 32, sleep=importing_seconds.append)  # type: ignore[arg-type]
    assert sum(importing_seconds) >= importing.NOTICE_SECONDS
    assert len(sent) == 1


def test_a_folder_is_its_files(tmp_path: Path, sent: list[tuple[bytes, dict[str, str]]]) -> None:
    for name in ("b.csv", "a.json.gz", "no.exe", ".hidden.csv", "sub/c.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert [one.name for one in importing.files_of(tmp_path)] == ["a.json.gz", "b.csv", "c.parquet"]
    FakeApi.reports = [ApiResponse(200, DONE)]
    assert run(["import", str(tmp_path), "--type", "t"]) == 0
    assert [body for body, _ in sent] == [b"a.json.gz", b"b.csv", b"sub/c.parquet"]
    assert run(["import", str(tmp_path), "--type", "t", "--refused", "x"]) == 2
    with pytest.raises(UsageError):
        importing.files_of(tmp_path / "none")
