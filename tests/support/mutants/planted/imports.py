"""Planted faults: rows of files that are taken twice, read wrongly, or kept where they may not be."""

from tests.support.mutants.mutant import LAYER, Mutant

STEPS = ("tests/integration/test_imports.py",)
HISTORY = ("tests/integration/test_import_history.py",)
ROWS = ("tests/unit/imports/test_records.py",)
MUTANTS = (
    Mutant(
        "rows that were passed over are not counted, so those behind them have other ids",
        "A4",
        f"{LAYER}/imports/importing.py",
        "                reading.mapping.passed(record.values)\n",
        "                continue\n",
        STEPS,
    ),
    Mutant(
        "rows that a killed attempt has stored are told as duplicates",
        "A4",
        f"{LAYER}/imports/importing.py",
        '            request_id = f"{one.import_id}-{one.rows + len(results)}"\n',
        '            request_id = f"{time.monotonic()}"\n',
        STEPS,
    ),
    Mutant(
        "a file that takes the name of another while it is read is read as that one",
        "A4",
        f"{LAYER}/core/objects.py",
        """                IfMatch=f'"{etag}"',\n""",
        "",
        STEPS,
    ),
    Mutant(
        "an erasure leaves files that may name the person",
        "H5",
        f"{LAYER}/people/erasure.py",
        """            self.stores.lake.purge(files_of(org), doing="remove imported files")\n""",
        "",
        STEPS,
    ),
    Mutant(
        "a point is a thousand where decimals have a comma, whatever stands behind it",
        "A4",
        f"{LAYER}/imports/mapping.py",
        "            if _GROUPED.fullmatch(plain) is None:\n                return text\n",
        "",
        STEPS,
    ),
    Mutant(
        "a quote that is never closed takes all rows behind it along",
        "A4",
        f"{LAYER}/imports/records.py",
        "        self._back.extendleft(reversed(others))\n",
        "",
        ROWS,
    ),
    Mutant(
        "history that was written is told before the day that it is of is opened",
        "A4",
        f"{LAYER}/archive/history.py",
        "        self._metadata.write_all(pending.to_items(touched, pending.new_token(), at))\n",
        "",
        HISTORY,
    ),
    Mutant(
        "the youngest of history is expected in Events",
        "A4",
        f"{LAYER}/archive/history.py",
        "    return clock.epoch(min(gone, clock.parse(received_at)))\n",
        "    return clock.epoch(gone)\n",
        HISTORY,
    ),
)
