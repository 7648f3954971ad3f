"""The API's document, read once a process."""

from pathlib import Path
from typing import Any

from millrace.compiler import api_document

DOCUMENT: dict[str, Any] = api_document.load(Path(__file__).parents[2] / "schemas" / api_document.FILE)
