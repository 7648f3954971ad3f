"""Hypothesis strategies for contracts as their authors could write them: odd names, deep fields, long and odd descriptions."""

from typing import Any

from hypothesis import strategies as st

from millrace.contracts import formats
from tests.support.contracts import document, field

# Words of Protocol Buffers, Avro, Java and Python, and names that our own exports give to parts.
_ODD = (
    *(
        "List",
        "string",
        "message",
        "aB",
        "ABC",
        "isIOSApp",
        "items",
        "item",
        "Item",
        "data",
        "payload",
        "google",
        "int32",
    ),
    *(
        "optional",
        "repeated",
        "map",
        "group",
        "package",
        "class",
        "null",
        "record",
        "Items_List",
        "oneof",
        "to",
        "max",
    ),
    *(
        "reserved",
        "true",
        "inf",
        "nan",
        "None",
        "self",
        "x1",
        "a_",
        "a__b",
        "type",
        "name",
        "fields",
        "namespace",
        "enum",
    ),
    *(
        "Struct",
        "eventId",
        "descriptor",
        "import",
        "public",
        "rpc",
        "syntax",
        "extensions",
        "double",
        "default",
        "bytes",
    ),
)
_NAMES = st.sampled_from(_ODD) | st.from_regex(
    r"\A[A-Za-z][A-Za-z0-9_]{0,6}\Z", alphabet=st.characters(codec="ascii")
)
_TEXTS = st.sampled_from(
    [
        'two\nlines "quoted" */ // text',
        "/* begins",
        "a\\b\\",
        "umläut \U0001f600 \u2028 next",
        "tab\tand\r\nreturn",
        "${x}",
        "\x07",
    ]
) | st.text(st.characters(codec="utf-8"), max_size=12)
_PATTERNS = st.sampled_from(
    ["^[a-z]+$", r"^[^\n]{1,5}$", "[0-9]", r"^\u0041(b|c)*\.$", r"^[\-\]x]?\/$", "^(?:a|b){2,3}$"]
)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Documents of contracts, some of which the compiler refuses because two names meet."""
    return st.builds(
        _document, _objects(_fields(), 1, 5), _objects(_fields(), 0, 2), _types(), _TEXTS, st.integers(1, 3)
    )


def wide() -> dict[str, Any]:
    """A contract of a hundred fields."""
    return document(*(field(f"field{number}", "integer") for number in range(100)))


def _document(
    payload: list[dict[str, Any]], metadata: list[dict[str, Any]], name: str, purpose: str, major: int
) -> dict[str, Any]:
    made = document(*payload)
    parts = made["schema"][0]["properties"]
    parts.append({"name": "metadata", "logicalType": "object", "properties": metadata})
    about = {"name": name, "id": f"{name}.v{major}", "version": f"{major}.0.0"}
    return {**made, **about, "description": {"purpose": purpose}}


def _types() -> st.SearchStrategy[str]:
    word = st.sampled_from(["google", "message", "order", "string", "x1", "a_b", "int", "null", "list"])
    return st.lists(word, min_size=2, max_size=3).map(".".join)


def _objects(
    fields: st.SearchStrategy[dict[str, Any]], least: int, most: int
) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(
        fields, min_size=least, max_size=most, unique_by=lambda one: one["name"].replace("_", "").lower()
    )


def _fields() -> st.SearchStrategy[dict[str, Any]]:
    kinds = st.recursive(_scalars(), _containers, max_leaves=6)
    return st.builds(
        lambda name, kind, required, text: {
            "name": name,
            **kind,
            "required": required,
            **({"description": text} if text else {}),
        },
        _NAMES,
        kinds,
        st.booleans(),
        st.none() | _TEXTS,
    )


def _scalars() -> st.SearchStrategy[dict[str, Any]]:
    texts = st.sampled_from(sorted(formats.FORMATS)).map(lambda name: {"format": name}) | _PATTERNS.map(
        lambda pattern: {"pattern": pattern}
    )
    return st.one_of(
        st.sampled_from(
            [
                {"logicalType": name}
                for name in ("string", "date", "timestamp", "number", "integer", "boolean", "object")
            ]
        ),
        st.just({"logicalType": "number", "physicalType": "decimal(18,4)"}),
        st.sampled_from(["i8", "u32", "i64"]).map(
            lambda name: {"logicalType": "integer", "logicalTypeOptions": {"format": name}}
        ),
        texts.map(lambda options: {"logicalType": "string", "logicalTypeOptions": options}),
        st.lists(_TEXTS, min_size=1, max_size=3, unique=True).map(
            lambda values: {"logicalType": "string", "enum": [{"value": value} for value in values]}
        ),
    )


def _containers(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    fields = st.builds(lambda name, kind: {"name": name, **kind}, _NAMES, inner)
    return st.one_of(
        inner.map(lambda kind: {"logicalType": "array", "items": kind}),
        inner.map(lambda kind: {"logicalType": "array", "items": {"logicalType": "array", "items": kind}}),
        _objects(fields, 1, 3).map(lambda parts: {"logicalType": "object", "properties": parts}),
    )
