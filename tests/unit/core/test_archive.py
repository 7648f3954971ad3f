"""Archives that depend on nothing but their files."""

import io
import tarfile

from millrace.core.archive import pack

FILES = {"b/model.onnx": b"\0\1", "a.json": b"{}"}


def test_the_same_files_make_the_same_bytes_in_any_order() -> None:
    assert pack(FILES) == pack(dict(reversed(FILES.items())))
    assert pack(FILES) != pack({**FILES, "a.json": b"[]"})
    # The time in the header of gzip.
    assert pack(FILES)[4:8] == bytes(4)


def test_what_goes_in_comes_out() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(FILES)), mode="r:gz") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["a.json", "b/model.onnx"]
        assert all((member.mtime, member.uid, member.mode) == (0, 0, 0o644) for member in members)
        for member in members:
            opened = archive.extractfile(member)
            assert opened is not None
            assert opened.read() == FILES[member.name]
