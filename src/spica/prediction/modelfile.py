"""Model files: the card in an ONNX file, read without the onnx package, which is larger than the rest of the core."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from pathlib import Path

from spica.errors import WeightsError
from spica.prediction.card import Card, card_from

MODEL_SUFFIX = ".onnx"
METADATA_KEY = "spica"  # the card, as JSON, among the file's metadata
PHOTO, BOXES, SCORES, CAPPED, SOUND = "photo", "boxes", "scores", "capped", "sound"  # its input and its outputs

# Source: onnx.proto, messages ModelProto and StringStringEntryProto; encoding of Protocol Buffers.
_METADATA_FIELD, _KEY_FIELD, _VALUE_FIELD = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    content: bytes


def read_card(path: Path) -> Card:
    """Return the card of a model file.

    Raises:
        WeightsError: if the file is missing, not a model file of Spica, or damaged.
    """
    try:
        with path.open("rb") as file:
            metadata = dict(_entry(one.content) for one in _fields(file) if one.number == _METADATA_FIELD)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); expected a model file") from error
    except (ValueError, KeyError, IndexError) as error:
        raise WeightsError(f"{path}: damaged, or not an ONNX file ({error}); export or copy it again") from error
    if METADATA_KEY not in metadata:
        raise WeightsError(f"{path}: not a model file of Spica; make one by `spica export RUN --out {path.name}`")
    try:
        content = json.loads(metadata[METADATA_KEY])
    except ValueError as error:
        raise WeightsError(f"{path}: its card is damaged ({error}); export or copy it again") from error
    return card_from(content, str(path))


def _entry(content: bytes) -> tuple[str, str]:
    parts = {one.number: one.content.decode() for one in _fields(BytesIO(content))}
    return parts[_KEY_FIELD], parts.get(_VALUE_FIELD, "")


def _fields(stream: BufferedIOBase) -> Iterator[_Field]:
    """Yield the fields of a message; of long ones, the network itself among them, without their content.

    Raises:
        ValueError: if it is no such message.
    """
    while (tag := _varint(stream, may_end=True)) is not None:
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _varint(stream)
            continue
        if kind not in {_FIXED64, _BYTES, _FIXED32}:
            raise ValueError(f"field {number} has the unknown kind {kind}")
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind) or _varint(stream) or 0
        if length > _LONGEST:
            raise ValueError(f"field {number} is too long")
        wanted = kind == _BYTES and number in {_METADATA_FIELD, _KEY_FIELD, _VALUE_FIELD} and length < _LONG
        content = stream.read(length) if wanted else b""
        if (wanted and len(content) < length) or (not wanted and not _skip(stream, length)):
            raise ValueError("it ends too early")
        yield _Field(number, content)


_LONG = 1_000_000  # bytes; no card is as long
_LONGEST = 2**31 - 1  # bytes of a message of Protocol Buffers


def _skip(stream: BufferedIOBase, length: int) -> bool:
    """Go on by `length` bytes; return whether they are there."""
    if length == 0:
        return True
    stream.seek(length - 1, 1)
    return len(stream.read(1)) == 1


def _varint(stream: BufferedIOBase, *, may_end: bool = False) -> int | None:
    """Return the next number; None at the end of the stream, if it may end here.

    Raises:
        ValueError: if there is none.
    """
    value = 0
    for place in range(10):
        byte = stream.read(1)
        if not byte:
            if may_end and place == 0:
                return None
            raise ValueError("it ends too early")
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return value
    raise ValueError("a number in it is too long")
