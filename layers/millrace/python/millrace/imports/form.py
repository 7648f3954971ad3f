"""What form a file has: what is declared about it, else what its name and its first bytes say."""

import codecs
import csv
import json
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from millrace.imports.refused_file import RefusedFileError

Kind = Literal["csv", "json", "ndjson", "parquet"]
EXTENSIONS: dict[str, Kind] = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "json": "json",
    "ndjson": "ndjson",
    "jsonl": "ndjson",
    "parquet": "parquet",
}
SAMPLE = 64 << 10
_DELIMITERS = ",;\t|"
_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
# By their length: the mark of UTF-32 begins as that of UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Options(BaseModel):
    """What is declared about a file. What is not is found out.

    Attributes:
        format: csv, json, ndjson or parquet.
        encoding: of text, as Python names encodings.
        delimiter: between the cells of CSV.
        header: the names of the columns, where the file does not begin with them.
        quote: the character around cells of CSV that hold a delimiter.
        decimal: the mark before decimals; with a comma, points group thousands.
        dates: how moments are written, as `strptime` reads them; without an offset they are UTC.
        nulls: cells that say nothing, besides those that are empty.
        id: the column that names a row for good.
        columns: column → JSON pointer of the event, or nothing for a column that is left out.
        version: of the contract.
        dryRun: judge the rows, and store nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    format: Kind | None = None
    encoding: str | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    header: Annotated[list[str], Field(min_length=1, max_length=2000)] | None = None
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    decimal: Literal[".", ","] = "."
    dates: Annotated[str, Field(max_length=64)] | None = None
    nulls: tuple[str, ...] = ()
    id: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    version: str | None = None
    dry_run: bool = Field(default=False, alias="dryRun")

    @classmethod
    def of_json(cls, text: str) -> "Options":
        """What an object's metadata say.

        Raises:
            RefusedFileError: they are not understood.
        """
        try:
            return cls.of(orjson.loads(text) if text else {})
        except orjson.JSONDecodeError as error:
            raise RefusedFileError("options", "the options of the file are not JSON") from error

    @classmethod
    def of(cls, document: Any) -> "Options":
        """The same of a document.

        Raises:
            RefusedFileError: it is not understood.
        """
        try:
            options = cls.model_validate(document)
            if options.encoding is not None:
                codecs.lookup(options.encoding)
        except ValidationError as error:
            names = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
            raise RefusedFileError("options", f"options of the file are not understood: {names}") from error
        except LookupError as error:
            raise RefusedFileError("encoding", "the declared encoding has no such name") from error
        if any(pointer and not pointer.startswith("/") for pointer in options.columns.values()):
            raise RefusedFileError("options", "a column is mapped to a JSON pointer, which begins with /")
        return options

    def to_json(self) -> str:
        """What `of_json` reads, without what is not declared, in ASCII."""
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude_defaults=True))


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a file: its kind, whether it is packed, and of text its encoding and the bytes of a mark before it."""

    kind: Kind
    gzip: bool
    encoding: str = "utf-8"
    mark: int = 0
    delimiter: str = ","


def kind_of_name(name: str) -> tuple[Kind | None, bool]:
    """What the name of a file says of its kind, and whether it says that the file is packed by gzip."""
    stem, packed = name.lower(), False
    if stem.endswith(".gz"):
        stem, packed = stem[:-3], True
    return EXTENSIONS.get(stem.rpartition(".")[2]), packed


def is_gzip(first: bytes) -> bool:
    """Whether bytes begin as a gzip file does."""
    return first.startswith(_GZIP)


def form_of(name: str, packed: bool, first: bytes, options: Options) -> Form:
    """The form of a file.

    Args:
        name: of the file.
        packed: whether it is packed by gzip.
        first: its first bytes, unpacked.
        options: what is declared about it.

    Raises:
        RefusedFileError: it has none that is read here.
    """
    if not first:
        raise RefusedFileError("no_rows", "the file is empty")
    kind = options.format or kind_of_name(name)[0] or _kind_of(first)
    if kind == "parquet":
        if not first.startswith(_PARQUET):
            raise RefusedFileError("not_parquet", "the file does not begin as Parquet does")
        return Form("parquet", packed)
    form = _decoded(Form(kind, packed), first, options.encoding)
    if kind == "csv":
        return replace(
            form, delimiter=options.delimiter or _delimiter(_text(form, first), name, options.quote)
        )
    return form


def _kind_of(first: bytes) -> Kind:
    if first.startswith(_PARQUET):
        return "parquet"
    start = first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"[":
        return "json"
    if start == b"{":
        line, found, _ = first.strip(b" \t\r\n").partition(b"\n")
        try:
            return "ndjson" if found and isinstance(orjson.loads(line), dict) else "json"
        except orjson.JSONDecodeError:
            return "json"
    return "csv"


def _decoded(form: Form, first: bytes, declared: str | None) -> Form:
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return replace(form, encoding=encoding, mark=len(mark))
    if declared is not None:
        return replace(form, encoding=codecs.lookup(declared).name)
    if b"\0" in first:
        # Half of the bytes of ASCII in UTF-16 are zeros, the second of each pair or the first.
        even, odd = first[0:200:2].count(0), first[1:200:2].count(0)
        if max(even, odd) < len(first[:200]) // 4:
            raise RefusedFileError(
                "encoding", "the file holds zeros: it is no text, or of an encoding to declare"
            )
        return replace(form, encoding="utf-16-le" if odd > even else "utf-16-be")
    return form


def _text(form: Form, first: bytes) -> str:
    return first[form.mark :].decode(form.encoding, "replace")


def _delimiter(sample: str, name: str, quote: str) -> str:
    """The mark that divides the first lines into most cells, and each into as many; a comma where none does."""
    if name.lower().removesuffix(".gz").endswith(".tsv"):
        return "\t"
    lines = sample.splitlines()[:20]
    best, most = ",", 0
    for delimiter in _DELIMITERS:
        try:
            rows = [len(row) for row in csv.reader(lines, delimiter=delimiter, quotechar=quote) if row]
        except csv.Error:
            continue
        if not rows or rows[0] < 2:
            continue
        even = sum(cells == rows[0] for cells in rows)
        if (score := even * 10_000 + rows[0]) > most and even * 2 > len(rows):
            best, most = delimiter, score
    return best
