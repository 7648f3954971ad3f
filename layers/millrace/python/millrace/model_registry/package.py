"""A training's archive, `model.tar.gz`: a folder for each algorithm, and `evaluation.json`. No I/O."""

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.model_registry import artifact
from millrace.model_registry.artifact import ArtifactError, ModelCard

EVALUATION = "evaluation.json"
# Of all files together, unpacked. A forest is some tens of MB; more would not fit into a function's memory.
LARGEST_BYTES = 400 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A trained model, its graph checked against its card."""

    card: ModelCard
    text: bytes
    onnx: bytes


@dataclass(frozen=True, slots=True)
class Package:
    """The models, and for each algorithm without one the reason."""

    models: tuple[PackagedModel, ...]
    failures: Mapping[str, str]


def unpack(content: bytes, *, org: str, model: str, run: str) -> Package:
    """Reads a training's archive.

    Args:
        content: of `model.tar.gz`.
        org: the tenant that it must be of.
        model: what the models must be for.
        run: the training run that it must be of.

    Raises:
        ArtifactError: it is no such archive, or of another tenant, model or run, or a graph is not its card's.
    """
    files = _files(content)
    if EVALUATION not in files:
        raise ArtifactError(f"the training left no {EVALUATION}")
    models, failures = [], {}
    for entry in _evaluated(files[EVALUATION]):
        name = entry["name"]
        if "error" in entry:
            failures[name] = str(entry["error"])
            continue
        models.append(_trained(files, name, org=org, model=model, run=run))
    if not models and not failures:
        raise ArtifactError("the training lists no model")
    return Package(tuple(models), failures)


def _trained(files: Mapping[str, bytes], name: str, *, org: str, model: str, run: str) -> PackagedModel:
    parts = [files.get(f"{name}/{part}") for part in (artifact.CARD_FILE, artifact.ONNX_FILE)]
    text, onnx = parts
    if text is None or onnx is None:
        raise ArtifactError(f"the training lists {name} and its artifact is not complete")
    card = artifact.read(text)
    artifact.verify(card, onnx)
    origin = (card.org, card.model, card.run_id, card.algorithm)
    if origin != (org, model, run, name):
        raise ArtifactError(f"the artifact is of {'/'.join(origin)}, not of {org}/{model}/{run}/{name}")
    return PackagedModel(card, text, onnx)


def _evaluated(text: bytes) -> list[dict[str, Any]]:
    try:
        entries = orjson.loads(text)["models"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ArtifactError(f"{EVALUATION} cannot be read: {error}") from None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "name" in one for one in entries):
        raise ArtifactError(f"{EVALUATION} names no models")
    return entries


def _files(content: bytes) -> dict[str, bytes]:
    """The archive's files, in memory: its names never reach a file system."""
    files: dict[str, bytes] = {}
    left = LARGEST_BYTES
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                left -= member.size
                if left < 0:
                    raise ArtifactError(f"the models are more than {LARGEST_BYTES} bytes unpacked")
                opened = archive.extractfile(member)
                if opened is not None:
                    files[member.name.removeprefix("./")] = opened.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArtifactError(f"the training's archive cannot be read: {error}") from error
    return files
