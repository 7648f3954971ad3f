"""Values of PostgreSQL as JSON: to the digit, or told apart as what the server wrote."""

from typing import Any

import pytest

from millrace.cdc.values import Special, array, reader
from millrace.core.errors import PermanentError

BOOL, BYTEA, INT8, FLOAT8, DATE, TIMESTAMP, TIMESTAMPTZ, NUMERIC = 16, 17, 20, 701, 1082, 1114, 1184, 1700
TEXT, INT4_ARRAY, TEXT_ARRAY, NUMERIC_ARRAY, FLOAT8_ARRAY, BYTEA_ARRAY = 25, 1007, 1009, 1231, 1022, 1001
INTERVAL, JSONB, UNKNOWN = 1186, 3802, 70_001

WRITTEN: list[tuple[int, str, Any]] = [
    (BOOL, "t", True),
    (BOOL, "f", False),
    (BYTEA, "\\x00ff", "AP8="),
    (BYTEA, "\\x", ""),
    (INT8, "-9223372036854775808", -(2**63)),
    (FLOAT8, "0.1", 0.1),
    (FLOAT8, "1e+300", 1e300),
    (FLOAT8, "NaN", Special("NaN")),
    (FLOAT8, "-Infinity", Special("-Infinity")),
    (NUMERIC, "12345678901234567890.123456789000", "12345678901234567890.123456789000"),
    (NUMERIC, "NaN", Special("NaN")),
    (NUMERIC, "Infinity", Special("Infinity")),
    (DATE, "2024-02-29", "2024-02-29"),
    (DATE, "infinity", Special("infinity")),
    (DATE, "0044-03-15 BC", Special("0044-03-15 BC")),
    (DATE, "10000-01-01", Special("10000-01-01")),
    (TIMESTAMP, "2024-02-29 23:59:59.000001", "2024-02-29T23:59:59.000001"),
    (TIMESTAMPTZ, "2024-02-29 23:59:59+00", "2024-02-29T23:59:59Z"),
    (TIMESTAMPTZ, "-infinity", Special("-infinity")),
    (TIMESTAMPTZ, "0044-03-15 00:00:00+00 BC", Special("0044-03-15 00:00:00+00 BC")),
    (TEXT, "NaN", "NaN"),
    (INTERVAL, "P1Y2M3DT4H5M6.789S", "P1Y2M3DT4H5M6.789S"),
    (JSONB, '{"a": 1.10, "b": 12345678901234567890123}', '{"a": 1.10, "b": 12345678901234567890123}'),
    (UNKNOWN, "so so", "so so"),
    (INT4_ARRAY, "{}", []),
    (INT4_ARRAY, "{1,-2}", [1, -2]),
    (INT4_ARRAY, "{{1,2},{3,4}}", Special("{{1,2},{3,4}}")),
    (INT4_ARRAY, "{1,NULL}", Special("{1,NULL}")),
    (INT4_ARRAY, "[0:1]={1,2}", Special("[0:1]={1,2}")),
    (FLOAT8_ARRAY, "{1.5,NaN}", Special("{1.5,NaN}")),
    (NUMERIC_ARRAY, "{1.10,2}", ["1.10", "2"]),
    (BYTEA_ARRAY, '{"\\\\x00ff"}', ["AP8="]),
    (TEXT_ARRAY, '{"NULL","",plain,"a\\"b\\\\c","{x,y}"}', ["NULL", "", "plain", 'a"b\\c', "{x,y}"]),
]


@pytest.mark.parametrize(("oid", "text", "value"), WRITTEN)
def test_a_value_is_what_the_server_wrote(oid: int, text: str, value: Any) -> None:
    found = reader(oid)(text)
    assert (type(found), found) == (type(value), value)


def test_a_domain_is_read_as_the_type_below_it() -> None:
    assert reader(UNKNOWN, {UNKNOWN: "int8"})("7") == 7
    assert reader(UNKNOWN, {UNKNOWN: "_int4"})("{7}") == [7]


@pytest.mark.parametrize("text", ["{1", '{"a', "{1,{2}", "1}", "{1}}", "", '{"a""b"}'])
def test_a_broken_array_is_an_error_and_no_value(text: str) -> None:
    with pytest.raises(PermanentError, match="array"):
        array(text, str)


def test_bytes_in_another_form_are_not_taken_for_hex() -> None:
    with pytest.raises(PermanentError, match="settings"):
        reader(BYTEA)("\\000")
