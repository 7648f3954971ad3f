"""What makes a deploy unnecessary, and what the addresses of a deployed platform mean."""

import os
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.local import deploy
from cli.local.steps import StepError
from cli.places import Places, around, port
from cli.target import belongs

STACK: dict[str, Any] = {
    "name": "millrace-local-storage",
    "status": "CREATE_COMPLETE",
    "id": "arn:aws:cloudformation:us-east-1:000000000000:stack/millrace-local-storage/1",
    "changedAt": datetime(2026, 11, 21, tzinfo=UTC),
    "outputs": {
        "ApiUrl": "http://abc123.execute-api.localhost:4566",
        "SubscriberQueue": "http://localhost:4566/0/q",
    },
}


class TestFingerprint:
    @pytest.mark.parametrize(
        "name",
        ["app.py", "cdk.json", "requirements.txt", "stacks/storage.py", "functions/post_events/handler.py"],
    )
    def test_any_source_changes_it(self, places: Places, name: str) -> None:
        before = deploy.fingerprint(places.root)
        (places.root / name).write_text("changed")
        assert deploy.fingerprint(places.root) != before

    def test_a_new_contract_and_a_renamed_one_change_it(self, places: Places) -> None:
        seen = {deploy.fingerprint(places.root)}
        (places.root / "schemas" / "a.yaml").write_text("x")
        seen.add(deploy.fingerprint(places.root))
        (places.root / "schemas" / "a.yaml").rename(places.root / "schemas" / "b.yaml")
        seen.add(deploy.fingerprint(places.root))
        assert len(seen) == 3

    def test_what_is_made_along_the_way_does_not(self, places: Places) -> None:
        before = deploy.fingerprint(places.root)
        for made in (
            "stacks/__pycache__/storage.pyc",
            "layers/bundle/contracts.json",
            "build/x",
            "README.md",
        ):
            (places.root / made).parent.mkdir(parents=True, exist_ok=True)
            (places.root / made).write_text("made")
        os.utime(places.root / "app.py", (1, 1))
        assert deploy.fingerprint(places.root) == before

    def test_another_interpreter_or_emulator_does(self, places: Places) -> None:
        assert deploy.fingerprint(places.root, ("3.11",)) != deploy.fingerprint(places.root, ("3.13",))


class TestSkipping:
    def test_the_same_sources_and_stacks_need_no_deploy(self, places: Places) -> None:
        deploy.record_deployment(places, "f", [STACK])
        assert deploy.is_current(places, "f", [STACK])

    @pytest.mark.parametrize(
        ("wanted", "stacks"),
        [
            ("other sources", [STACK]),
            ("f", []),
            ("f", [STACK, {**STACK, "name": "millrace-local-extra"}]),
            ("f", [{**STACK, "id": "made anew"}]),
            ("f", [{**STACK, "changedAt": datetime(2026, 11, 20, tzinfo=UTC)}]),
            ("f", [{**STACK, "status": "UPDATE_ROLLBACK_COMPLETE"}]),
        ],
    )
    def test_anything_else_does(self, places: Places, wanted: str, stacks: list[dict[str, Any]]) -> None:
        deploy.record_deployment(places, "f", [STACK])
        assert not deploy.is_current(places, wanted, stacks)

    @pytest.mark.parametrize("noted", [None, b"", b"{", b"[]", b'{"fingerprint":"f"}'])
    def test_a_note_that_is_missing_or_broken_does(self, places: Places, noted: bytes | None) -> None:
        if noted is not None:
            places.deployed.write_bytes(noted)
        assert not deploy.is_current(places, "f", [STACK])

    def test_a_failed_stack_is_never_current(self, places: Places) -> None:
        failed = {**STACK, "status": "ROLLBACK_COMPLETE"}
        deploy.record_deployment(places, "f", [failed])
        assert not deploy.is_current(places, "f", [failed])


class TestAddresses:
    def test_the_api_is_addressed_by_path_on_the_port_in_use(self) -> None:
        found = deploy.outputs([STACK], 4999)
        assert found["ApiUrl"] == "http://localhost:4999/_aws/execute-api/abc123/$default"
        assert found["SubscriberQueue"] == "http://localhost:4999/0/q"

    def test_stacks_without_an_api_are_an_error(self) -> None:
        with pytest.raises(StepError, match="ApiUrl"):
            deploy.outputs([{**STACK, "outputs": {}}], 4566)

    @pytest.mark.parametrize(
        ("name", "status", "ours"),
        [
            ("millrace-local-storage", "CREATE_COMPLETE", True),
            ("millrace-local-storage", "DELETE_COMPLETE", False),
            ("millrace-dev-storage", "CREATE_COMPLETE", False),
            ("CDKToolkit", "CREATE_COMPLETE", False),
        ],
    )
    def test_which_stacks_are_ours(self, name: str, status: str, ours: bool) -> None:
        assert belongs({"StackName": name, "StackStatus": status}, "local") is ours

    @pytest.mark.parametrize("text", ["abc", "0", "80", "65536", "-1", "４５６６", "4566.0"])
    def test_what_is_no_port_is_refused(
        self, places: Places, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MILLRACE_PORT", text)
        with pytest.raises(ValueError, match="MILLRACE_PORT"):
            port(places)

    @pytest.mark.parametrize(("text", "number"), [("", 4566), (" 4601 ", 4601)])
    def test_the_port(self, places: Places, text: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MILLRACE_PORT", text)
        assert port(places) == number

    def test_the_platform_is_found_from_a_folder_below(self, places: Places) -> None:
        places.outputs.write_text("{}")
        below = places.root / "functions" / "post_events"
        found = around(below)
        assert found is not None
        assert found.root == places.root.resolve()
