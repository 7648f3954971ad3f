"""The emulator's journal: what was flushed is read again, whatever the end of the file looks like."""

import os
from pathlib import Path
from typing import Any

import pytest

from cli.local.journal import Journal


def encode(held: Any) -> Any:
    raise TypeError(type(held))


def opened(folder: Path) -> Journal:
    return Journal(folder, encode=encode, decode=lambda found: found)


def started(folder: Path) -> Journal:
    journal = opened(folder)
    journal.begin_generation()
    return journal


def written(folder: Path, *commits: Any) -> Path:
    journal = started(folder)
    for commit in commits:
        journal.add(commit)
    journal.flush()
    return folder / f"journal-{journal.generation}"


def test_what_was_flushed_is_read_in_order_over_several_starts(tmp_path: Path) -> None:
    written(tmp_path, {"n": 1}, {"n": 2})
    written(tmp_path, {"n": 3})
    journal = opened(tmp_path)
    assert journal.left_over
    assert [commit["n"] for commit in journal.read()] == [1, 2, 3]
    assert journal.cut_off == 0


@pytest.mark.parametrize("cut", range(1, 21))
def test_a_line_that_was_cut_off_is_not_read(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path, {"n": 1}, {"n": 2})
    length = len(path.read_bytes()) // 2
    path.write_bytes(path.read_bytes()[: -min(cut, length - 1)])
    journal = opened(tmp_path)
    assert [commit["n"] for commit in journal.read()] == [1]
    assert journal.cut_off == 0


def test_lines_behind_a_damaged_one_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, {"n": 1}, {"n": 2}, {"n": 3}, {"n": 4})
    path.write_bytes(path.read_bytes().replace(b'"n":2', b'"n":7'))
    journal = opened(tmp_path)
    assert [commit["n"] for commit in journal.read()] == [1]
    assert journal.cut_off == 2


def test_a_full_disk_loses_nothing_that_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = started(tmp_path)
    journal.add({"n": 1})
    write = os.pwrite

    def full(file: int, data: bytes, place: int) -> int:
        if len(data) > 5:
            return write(file, data[:5], place)
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="no space"):
        journal.flush()
    assert not journal.settled
    monkeypatch.setattr(os, "pwrite", write)
    journal.add({"n": 2})
    journal.flush()
    assert journal.settled
    assert [commit["n"] for commit in opened(tmp_path).read()] == [1, 2]


def test_a_snapshot_replaces_what_came_before_it_and_nothing_after(tmp_path: Path) -> None:
    journal = started(tmp_path)
    journal.add({"n": 1})
    generation = journal.begin_generation()
    journal.add({"n": 2})
    journal.flush()
    layer = bytes(2**21)
    journal.write_snapshot(generation, iter([("functions", {"layer": layer}), ("tables", {"n": 1})]))
    again = opened(tmp_path)
    assert dict(again.snapshot()) == {"functions": {"layer": layer}, "tables": {"n": 1}}
    assert list(again.read()) == [{"n": 2}]
    assert len(list(tmp_path.glob("blob-*"))) == 1
    later = journal.begin_generation()
    journal.write_snapshot(later, iter([("tables", {"n": 2})]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"journal-{later}", f"snapshot-{later}"]


def test_a_snapshot_that_was_not_finished_changes_nothing(tmp_path: Path) -> None:
    journal = started(tmp_path)
    journal.add({"n": 1})
    generation = journal.begin_generation()

    def services() -> Any:
        yield "tables", {}
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        journal.write_snapshot(generation, services())
    again = opened(tmp_path)
    assert dict(again.snapshot()) == {}
    assert list(again.read()) == [{"n": 1}]


def test_a_clean_stop_leaves_no_journal(tmp_path: Path) -> None:
    journal = started(tmp_path)
    journal.write_snapshot(journal.generation, iter([("tables", {})]))
    journal.close()
    assert not opened(tmp_path).left_over


def test_files_elsewhere_are_on_disk_before_the_line_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = started(tmp_path / "state")
    kept = tmp_path / "object"
    kept.write_bytes(b"x")
    order: list[str] = []
    sync, write = os.fsync, os.pwrite

    def synced(file: int) -> None:
        order.append("file")
        sync(file)

    def wrote(file: int, data: bytes, place: int) -> int:
        order.append("line")
        return write(file, data, place)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "pwrite", wrote)
    journal.add({"object": str(kept)})
    journal.add_file(kept)
    # Deleted meanwhile: nothing to bring to the disk.
    journal.add_file(tmp_path / "gone")
    journal.flush()
    assert order[:2] == ["file", "file"]
    assert order.index("line") > order.index("file")
