"""Writing files beside their final name and renaming them, so that no half-written file stays behind."""

import io
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image as Pillow

from spica.detections import Image
from spica.errors import OutputError

_numbers = itertools.count()  # several files may be under way in one thread
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its name holds either the old content or all of the new one, even after a power cut.

    The folder must exist: a mistyped path shall not grow a tree of folders.

    Raises:
        OutputError: if the file cannot be written; nothing is left behind.
    """
    with written_atomically(path) as stream:
        stream.write(content)


@contextmanager
def written_atomically(path: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content takes the name `path` when the block ends; an exception in it leaves no file.

    Raises:
        OutputError: if the file cannot be written.
    """
    # Process and thread in the name: two writers of one path do not meet. Without the file's own name: it may be long.
    temporary = path.parent / f".{os.getpid()}-{threading.get_ident()}-{next(_numbers)}.part"
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); check that {path.parent} is a folder "
            "in which you may write and that there is space"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_image(path: Path, image: Image, *, quality: int = 90) -> None:
    """Write an RGB photo; the suffix says the format: .jpg, .jpeg, .png or .webp; `quality` is for JPEG and WebP.

    Raises:
        OutputError: if the file cannot be written.
        ValueError: if the suffix is another one.
    """
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f"{path}: suffix is {path.suffix!r}, expected one of {', '.join(_FORMATS)}")
    stream = io.BytesIO()
    Pillow.fromarray(image).save(stream, _FORMATS[path.suffix.lower()], quality=quality)
    write_atomically(path, stream.getvalue())
