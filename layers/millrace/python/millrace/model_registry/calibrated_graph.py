"""A graph that answers the calibrated probability itself, for programs that load a model and know no card.

What runs this has no package `onnx` (tens of MB), so the nodes are appended in the encoding of Protocol Buffers: a message is a
sequence of fields, and a field is its number, a wire type and a value. Numbers are those of onnx.proto.
"""

import struct
from collections.abc import Iterator, Sequence

from millrace.model_registry.artifact import EDGE, ArtifactError, Calibration

INPUT, OUTPUT = "X", "probability"
_SCORE, _PREFIX = "score", "calibration_"
# Of ModelProto, of GraphProto, of NodeProto, AttributeProto, TensorProto, ValueInfoProto and TypeProto.
_GRAPH, _OUTPUT_FIELD = 7, 12
_NODE, _INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE, _NODE_ATTRIBUTE = 1, 2, 4, 5
_INT64, _DOUBLE = 7, 11
_VARINT, _BYTES = 0, 2


def calibrated(onnx: bytes, calibration: Calibration) -> bytes:
    """The graph with one output, `probability`, double [n]; the arithmetic of `Calibration`, in double precision.

    Args:
        onnx: the graph of a model, which answers `score`.
        calibration: of its card.

    Raises:
        ArtifactError: it is not a graph.
    """
    try:
        fields = list(_fields(onnx))
    except (IndexError, ValueError) as error:
        raise ArtifactError("model.onnx is not an ONNX graph") from error
    if sum(number == _GRAPH for number, _, _ in fields) != 1:
        raise ArtifactError("model.onnx is not an ONNX graph")
    return b"".join(
        _field(_GRAPH, _with_calibration(value, calibration)) if number == _GRAPH else whole
        for number, value, whole in fields
    )


def _with_calibration(graph: bytes, calibration: Calibration) -> bytes:
    try:
        kept = [whole for number, _, whole in _fields(graph) if number != _OUTPUT_FIELD]
    except (IndexError, ValueError) as error:
        raise ArtifactError("model.onnx is not an ONNX graph") from error
    constants = {
        "least": EDGE,
        "most": 1 - EDGE,
        "one": 1.0,
        "slope": calibration.slope,
        "intercept": calibration.intercept,
    }
    nodes = [
        _node("Cast", [_SCORE], "wide", _field(1, b"to") + _number(3, _DOUBLE) + _number(20, 2)),
        _node("Reshape", ["wide", "flat"], "scores"),
        _node("Clip", ["scores", "least", "most"], "clipped"),
        _node("Sub", ["one", "clipped"], "rest"),
        _node("Div", ["clipped", "rest"], "odds"),
        _node("Log", ["odds"], "logit"),
        _node("Mul", ["logit", "slope"], "steep"),
        _node("Add", ["steep", "intercept"], "moved"),
        _node("Sigmoid", ["moved"], OUTPUT),
    ]
    flat = _number(1, 1) + _number(2, _INT64) + _field(8, _name("flat")) + _field(9, struct.pack("<q", -1))
    doubles = [
        _number(2, _DOUBLE) + _field(8, _name(name)) + _field(9, struct.pack("<d", value))
        for name, value in constants.items()
    ]
    # TypeProto.tensor_type: double, of one dimension without a size.
    tensor = _field(1, _number(1, _DOUBLE) + _field(2, _field(1, b"")))
    return b"".join(
        (
            *kept,
            *(_field(_NODE, one) for one in nodes),
            *(_field(_INITIALIZER, one) for one in (flat, *doubles)),
            _field(_OUTPUT_FIELD, _field(1, OUTPUT.encode()) + _field(2, tensor)),
        )
    )


def _node(kind: str, inputs: Sequence[str], output: str, attribute: bytes = b"") -> bytes:
    named = b"".join(_field(_NODE_INPUT, _name(one)) for one in inputs)
    attributes = _field(_NODE_ATTRIBUTE, attribute) if attribute else b""
    return named + _field(_NODE_OUTPUT, _name(output)) + _field(_NODE_TYPE, kind.encode()) + attributes


def _name(text: str) -> bytes:
    """The name in the graph: one of our own must be none that the graph has."""
    return (text if text in {_SCORE, OUTPUT} else _PREFIX + text).encode()


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field's number, its content where it is bytes, and the whole field.

    Raises:
        IndexError: the message ends within a field.
        ValueError: it is not a message.
    """
    at = 0
    while at < len(message):
        start = at
        key, at = _read_varint(message, at)
        content = b""
        match key & 7:
            case 0:
                _, at = _read_varint(message, at)
            case 1:
                at += 8
            case 2:
                size, at = _read_varint(message, at)
                content = message[at : at + size]
                at += size
            case 5:
                at += 4
            case other:
                raise ValueError(f"wire type {other}")
        if at > len(message):
            raise IndexError("the message ends within a field")
        yield key >> 3, content, message[start:at]


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
