"""The steps of an import, each of which can be made again: begin, keep, take, finish; and fail.

Between two calls of `take` nothing is remembered but how many rows were judged: the file is read again from its beginning,
and rows that were judged are passed over, so that compressed files, quoted lines and ids by occurrence need no state of
their own. Rows go to intake in groups. Before a group is given to intake its moment is kept, and a group that was given to
it before a kill has that moment again, and its batches have the ids of their requests again: what they stored then counts as
accepted, not as a duplicate.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any
from urllib.parse import unquote

from millrace.archive.history import History
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.core import clock, limits
from millrace.core.errors import ConditionFailedError, NotFoundError, RetryableError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.append import AppendResult
from millrace.eventstore.codec import Codec
from millrace.imports import bounds, form
from millrace.imports.form import Form, Options
from millrace.imports.jobs import Dropped, Import, Imports, dropped
from millrace.imports.kept import PART, Kept
from millrace.imports.mapping import KIND, RowMapping
from millrace.imports.records import Record, csv_records, json_records, ndjson_records
from millrace.imports.refused_file import RefusedFileError
from millrace.imports.unpacked import unpacked
from millrace.intake import reserved
from millrace.intake.accept import Intake
from millrace.intake.case import REFUSED, EventResult
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate
from millrace.privacy.tenant_box import TenantBox

GROUP_ROWS, GROUP_BYTES = 5_000, 16 << 20
# A batch that was not stored is tried again so often, with growing pauses, before the whole step is.
ATTEMPTS, FIRST_PAUSE_SECONDS = 5, 0.5


@dataclass(frozen=True, slots=True)
class Importing:
    """Imports files.

    Attributes:
        intake: judges and stores rows.
        imports: where it is kept how far each has come.
        lake: the bucket.
        metadata: the table in which the objects of raw are named.
        box: seals what is kept.
        rows_per_second: that one import gives to intake at most.
        log: takes what is not the file's fault.
        sleep: waits for some seconds.
    """

    intake: Intake
    imports: Imports
    lake: Objects
    metadata: Table
    box: TenantBox
    rows_per_second: float
    log: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep

    def begin(self, key: str, etag: str, at: datetime) -> Import | None:
        """Begins the import of a dropped file, or finds it begun; None where there is no file, nor was one."""
        file = dropped(key, etag, at)
        if file is None:
            self.log("a file lies in the drop zone that is not at imports/<org>/<event type>/<name>")
            return None
        there = self.imports.find(file.org, file.import_id)
        if there is not None:
            # Another file under the name of an import is none of its own.
            return there if there.etag == file.etag else None
        try:
            head = self.lake.head(key, doing="look at the dropped file")
        except NotFoundError:
            # Another notice of the same file, of another moment, has had it taken.
            return None
        one = Import(
            org=file.org,
            import_id=file.import_id,
            event_type=file.event_type,
            name=file.name[:512],
            etag=file.etag,
            size=head.size,
            options=head.metadata.get("options", ""),
            principal=unquote(head.metadata.get("principal", "")) or KIND,
            state="running",
            begun_at=clock.utc_text(clock.now()),
        )
        try:
            self._check(one, file, head.etag)
        except RefusedFileError as refused:
            one = one.ended("refused", reason=refused.reason, message=str(refused))
        return self.imports.begin(one)

    def keep(self, org: str, import_id: str, key: str, etag: str) -> Import:
        """Seals the file in parts, and takes it out of the drop zone, where it lies as it was sent."""
        one = self._get(org, import_id)
        try:
            if one.state == "running":
                self._kept(one).keep(key, etag.strip('"'), one.size)
        except (NotFoundError, ConditionFailedError):
            after = one.ended(
                "refused", reason="replaced", message="another file has taken its name, or none"
            )
            self.imports.replace(one, after)
            return after
        except RefusedFileError as refused:
            one = self._end(one, refused)
        try:
            head = self.lake.head(key, doing="look at the dropped file")
            if head.etag == etag.strip('"'):
                self.lake.delete_version(key, head.version, doing="clear the drop zone")
        except NotFoundError:
            pass
        return one

    def take(self, org: str, import_id: str, left: Callable[[], float]) -> Import:
        """Gives rows to intake, as far as there is time; the import as far as it has come.

        Args:
            org: the tenant.
            import_id: of the import.
            left: seconds that are left.

        Raises:
            RetryableError: a store did not answer; rows that were stored stay so.
        """
        one = self._get(org, import_id)
        if one.state != "running":
            return one
        try:
            reading = self._reading(one)
            passed = 0
            while left() > 0 and one.state == "running":
                if passed < one.rows:
                    passed += self._pass_over(reading, one.rows - passed)
                    if passed < one.rows:
                        raise RetryableError("the file has fewer rows than were judged")
                one = self._next_group(one, reading)
                passed = one.rows
        except RefusedFileError as refused:
            one = self._end(one, refused)
        return one

    def fail(self, org: str, import_id: str, message: str) -> Import:
        """Ends an import that cannot go on."""
        one = self._get(org, import_id)
        if one.state == "running":
            after = one.ended("failed", message=message[:300])
            self.imports.replace(one, after)
            one = after
        return one

    def _check(self, one: Import, file: Dropped, etag: str) -> None:
        if etag != file.etag:
            raise RefusedFileError("replaced", "another file has taken its name before it was read")
        options = Options.of_json(one.options)
        self._contract(one, options)
        if not one.size:
            raise RefusedFileError("no_rows", "the file is empty")
        if one.size > bounds.BYTES_PER_FILE:
            raise RefusedFileError("too_large", f"a file has at most {bounds.BYTES_PER_FILE >> 30} GB")

    def _contract(self, one: Import, options: Options) -> Any:
        registry = self.intake.registry
        if reserved.is_reserved(one.event_type, one.org, registry):
            raise RefusedFileError("unknown_type", "events of this type are made by the platform alone")
        try:
            return registry.find(one.event_type, options.version)
        except (UnknownType, UnknownVersion) as error:
            raise RefusedFileError("unknown_type", str(error)) from error

    def _reading(self, one: Import) -> "_Reading":
        options = Options.of_json(one.options)
        kept, parts = self._kept(one), -(-one.size // PART)
        chunks = (kept.read(number) for number in range(parts))
        first = next(chunks)
        packed = form.is_gzip(first)
        if form.kind_of_name(one.name)[1] and not packed:
            raise RefusedFileError("not_gzip", "the file is named as gzip, and is not")
        whole: Iterator[bytes] = chain([first], chunks)
        if packed:
            whole = unpacked(whole)
            first = next(whole, b"")
            whole = chain([first], whole)
        found = form.form_of(one.name, packed, first[: form.SAMPLE], options)
        mapping = RowMapping(self._contract(one, options), one.org, options, texts=found.kind == "csv")
        return _Reading(mapping, options, *self._records(one, found, options, whole, mapping))

    def _records(
        self, one: Import, found: Form, options: Options, whole: Iterator[bytes], mapping: RowMapping
    ) -> tuple[Iterator[Record], bytes]:
        """The rows, and what stands before them in a file of refused rows."""
        if found.kind == "csv":
            header, records = csv_records(whole, found, options)
            mapping.check_header(header)
            return records, b"" if options.header else _header(header, found, options)
        if found.kind == "parquet":
            # Only files of this form need Arrow.
            from millrace.imports.parquet import parquet_records  # noqa: PLC0415

            if found.gzip:
                raise RefusedFileError("not_parquet", "Parquet is packed by itself: send it without gzip")
            header, records = parquet_records(_ranges(self._kept(one).read), one.size)
            mapping.check_header(header)
            return records, b""
        make = ndjson_records if found.kind == "ndjson" else json_records
        return make(whole, found), b""

    @staticmethod
    def _pass_over(reading: "_Reading", rows: int) -> int:
        number = 0
        for record in islice(reading.records, rows):
            number += 1
            if record.values is not None:
                reading.mapping.passed(record.values)
        return number

    def _next_group(self, one: Import, reading: "_Reading") -> Import:
        began = time.monotonic()
        records, stopped = reading.group()
        if records:
            if not one.group_at:
                marked = replace(one, group_at=clock.utc_text(clock.now()))
                self.imports.replace(one, marked)
                one = marked
            after = self._judge(one, records, reading)
            self.imports.replace(one, after)
            one = after
            pause = len(records) / self.rows_per_second - (time.monotonic() - began)
            if pause > 0:
                self.sleep(pause)
        if isinstance(stopped, RefusedFileError):
            raise stopped
        if stopped:
            if not one.rows:
                raise RefusedFileError("no_rows", "the file has no rows")
            after = one.ended("done")
            self.imports.replace(one, after)
            one = after
        elif one.rows >= bounds.ROWS_PER_FILE:
            raise RefusedFileError("too_large", f"a file has at most {bounds.ROWS_PER_FILE:,} rows")
        return one

    def _judge(self, one: Import, records: list[Record], reading: "_Reading") -> Import:
        """The import behind a group of rows, with what was refused of them kept."""
        at = clock.parse(one.group_at)
        candidates = [_candidate(reading.mapping, index, record) for index, record in enumerate(records)]
        results: list[EventResult] = []
        registry = self.intake.registry
        history = History(self.lake, self.metadata, Codec(registry.dictionary), registry.of_ref)
        for batch in _batches(candidates):
            # Intake tells a row that the same request has stored as accepted, in every attempt.
            request_id = f"{one.import_id}-{one.rows + len(results)}"
            origin = Origin(one.org, one.principal, request_id, at, kind=KIND)
            results += self._give(batch, origin, history, dry_run=reading.options.dry_run)
        # Before the group counts as judged: a kill behind this has it written again, over itself.
        history.write(one.import_id, one.rows, at)
        counts: Counter[AppendResult] = Counter()
        old = 0
        codes = Counter(one.codes)
        reasons: list[dict[str, Any]] = []
        refused: list[bytes] = []
        for record, result in zip(records, results, strict=True):
            outcome = result.outcome
            counts[outcome] += 1
            old += result.history and outcome is AppendResult.ACCEPTED
            if outcome not in REFUSED:
                continue
            errors = [error.to_json() for error in result.errors]
            codes.update({error["code"] for error in errors})
            if one.told + len(reasons) < bounds.REASONS_TOLD:
                reasons.append({"line": record.line, "errors": errors[:10]})
            if result.kept and record.raw:
                refused.append(record.raw)
        kept = self._kept(one)
        if not reading.options.dry_run:
            kept.put_refused(one.rows, refused, b"" if one.given_back else reading.header)
        kept.put_reasons(one.rows, reasons)
        return replace(
            one,
            rows=one.rows + len(records),
            accepted=one.accepted + counts[AppendResult.ACCEPTED],
            history=one.history + old,
            duplicates=one.duplicates + counts[AppendResult.DUPLICATE],
            rejected=one.rejected + sum(counts[outcome] for outcome in REFUSED),
            codes=dict(codes),
            told=one.told + len(reasons),
            given_back=one.given_back + len(refused),
            group_at="",
        )

    def _give(
        self, batch: list[Candidate], origin: Origin, history: History, *, dry_run: bool
    ) -> list[EventResult]:
        """The results of a batch; what could not be stored is tried again.

        Raises:
            RetryableError: some of it could not be stored at all.
        """
        results = self.intake.replay(batch, origin, dry_run=dry_run, history=history)
        for attempt in range(ATTEMPTS):
            left = [n for n, result in enumerate(results) if result.outcome is AppendResult.UNAVAILABLE]
            if not left:
                return results
            self.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
            left_over = [batch[n] for n in left]
            again = self.intake.replay(left_over, origin, dry_run=dry_run, history=history)
            for n, result in zip(left, again, strict=True):
                results[n] = result
        if any(result.outcome is AppendResult.UNAVAILABLE for result in results):
            raise RetryableError("rows of an import could not be stored")
        return results

    def _end(self, one: Import, refused: RefusedFileError) -> Import:
        # As it was kept last: rows before the place where the file breaks are judged.
        latest = self._get(one.org, one.import_id)
        after = latest.ended("refused", reason=refused.reason, message=str(refused))
        self.imports.replace(latest, after)
        return after

    def _get(self, org: str, import_id: str) -> Import:
        one = self.imports.find(org, import_id)
        if one is None:
            raise RetryableError(f"there is no import {import_id}")
        return one

    def _kept(self, one: Import) -> Kept:
        return Kept(self.lake, self.box, one.org, one.import_id)


@dataclass(slots=True)
class _Reading:
    """A file that is being read: `header` stands before its refused rows, so that they are a file of the same form."""

    mapping: RowMapping
    options: Options
    records: Iterator[Record]
    header: bytes

    def group(self) -> tuple[list[Record], RefusedFileError | bool]:
        """The next rows, and whether the file has ended behind them, or why it cannot be read further."""
        group: list[Record] = []
        size = 0
        try:
            for record in self.records:
                group.append(record)
                size += len(record.raw)
                if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
                    return group, False
        except RefusedFileError as refused:
            return group, refused
        return group, True


def _candidate(mapping: RowMapping, index: int, record: Record) -> Candidate:
    if record.values is None:
        return Candidate(index, None, record.raw, record.error)
    return mapping.candidate(index, record.values, record.raw)


def _batches(candidates: list[Candidate]) -> Iterator[list[Candidate]]:
    """As many as a request may hold."""
    batch: list[Candidate] = []
    size = 0
    for candidate in candidates:
        length = len(candidate.raw or b"")
        if batch and (len(batch) == limits.EVENTS_PER_REQUEST or size + length > limits.BYTES_PER_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(candidate)
        size += length
    if batch:
        yield batch


def _header(names: list[str], found: Form, options: Options) -> bytes:
    quote = options.quote

    def cell(name: str) -> str:
        plain = not any(mark in name for mark in (found.delimiter, quote, "\n", "\r"))
        return name if plain else f"{quote}{name.replace(quote, quote * 2)}{quote}"

    # Lines of wider encodings are kept in UTF-8.
    encoding = "utf-8" if found.encoding.startswith(("utf-16", "utf-32")) else found.encoding
    return (found.delimiter.join(map(cell, names)) + "\n").encode(encoding)


def _ranges(part: Callable[[int], bytes]) -> Callable[[int, int], bytes]:
    """Bytes at any place, of parts; the last two are remembered, for columns are read to and fro."""
    held: dict[int, bytes] = {}

    def read(start: int, size: int) -> bytes:
        found = b""
        while len(found) < size:
            number, at = divmod(start + len(found), PART)
            if number not in held:
                while len(held) > 1:
                    held.pop(next(iter(held)))
                held[number] = part(number)
            piece = held[number][at : at + size - len(found)]
            if not piece:
                break
            found += piece
        return found

    return read
