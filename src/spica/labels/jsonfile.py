"""JSON files of labels: read as a whole, their values checked for what they should be."""

import json
import re
from pathlib import Path
from typing import Any

from spica.errors import AnnotationError
from spica.labels.table import read_text, undecodable

_LIST_OF_OBJECTS = re.compile(rb"(\xef\xbb\xbf)?\s*\[\s*\{")  # after a byte order mark, if there is one
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # as JSON may write one of the two halves of a rare letter, an emoji say
_SHOWN = 60  # letters of a value in a message


def read_json(file: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        AnnotationError: if it cannot be read, is not JSON, or holds what cannot be written again as UTF-8.
    """
    text = read_text(file)
    if undecodable(text):
        raise AnnotationError(f"{file}: is not UTF-8; save it as UTF-8")
    try:
        content = json.loads(text)
        if _SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as halved:
        half = ascii(halved.object[halved.start])
        raise AnnotationError(f"{file}: {half} is half a letter, expected both halves; mend it") from halved
    except (json.JSONDecodeError, RecursionError) as broken:
        at = f", row {broken.lineno}" if isinstance(broken, json.JSONDecodeError) else ""
        raise AnnotationError(f"{file}{at}: is not JSON ({broken}); mend it or write it anew") from broken
    return content


def lists_objects(content: bytes) -> bool:
    """Return whether a JSON file begins as a list of objects.

    >>> lists_objects(b'[ {"id": 1}]'), lists_objects(b'{"images": []}')
    (True, False)
    """
    return _LIST_OF_OBJECTS.match(content) is not None


def short(value: Any) -> str:
    """Return a value as JSON, cut where a line would be too long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def size_or_none(value: Any) -> int | None:
    """Return a width or height, None where there is none.

    Raises:
        ValueError: if it is not a whole number above 0.
    """
    if value is None:
        return None
    if not _is_number(value) or value <= 0 or value != int(value):
        raise ValueError(f"size is {value!r}, expected a whole number above 0")
    return int(value)


def real_number(value: Any) -> float:
    """Return a number.

    Raises:
        TypeError: if it is something else, such as a truth value.
    """
    if not _is_number(value):
        raise TypeError(f"got {value!r}, expected a number")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
