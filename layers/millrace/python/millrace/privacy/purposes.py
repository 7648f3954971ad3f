"""The purposes of the bundle in force."""

from collections.abc import Mapping
from pathlib import Path

from millrace.core import bundle
from millrace.privacy.consent import Purpose


def load(folder: Path | None = None) -> Mapping[str, Purpose]:
    """The purposes of the bundle in `folder`, else of the one in force, by name."""
    return bundle.load(_read, folder)


def _read(folder: Path) -> Mapping[str, Purpose]:
    return {one["name"]: Purpose(**one) for one in bundle.document(folder, bundle.PURPOSES)}
