"""Writing files beside their final name and renaming them, so that no half-written file stays behind."""

import io
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image as Pillow

from spica.errors import ImageError, OutputError
from spica.image import Image

_numbers = itertools.count()  # several files may be under way in one thread
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: if that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror}); name a folder that you may write to"
        ) from error


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

    Only what goes wrong with this file becomes an OutputError; other exceptions of the block pass as they are.

    Raises:
        OutputError: if the file cannot be written.
    """
    # Process and thread in the name: two writers of one path do not meet. Without the file's own name: it may be long.
    temporary = path.parent / f".{os.getpid()}-{threading.get_ident()}-{next(_numbers)}.part"
    try:
        with _blaming(path):
            file = _File(temporary, path)
        with io.BufferedWriter(file) as stream:
            yield stream
            stream.flush()
            with _blaming(path):
                os.fsync(stream.fileno())
        with _blaming(path):
            temporary.replace(path)
    finally:
        with _blaming(path):
            temporary.unlink(missing_ok=True)


def write_image(path: Path, image: Image, *, quality: int = 90) -> None:
    """Write an RGB photo; the suffix says the format: .jpg, .jpeg, .png or .webp; `quality` is for JPEG and WebP.

    Raises:
        ImageError: if the format cannot hold the photo: a JPEG has at most 65,500 pixels in a row, a WebP 16,383.
        OutputError: if the file cannot be written.
        ValueError: if the suffix is another one.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: suffix is {path.suffix!r}, expected one of {', '.join(_FORMATS)}")
    stream = io.BytesIO()
    try:
        Pillow.fromarray(image).save(stream, kind, quality=quality)
    except (OSError, ValueError) as error:  # Pillow's encoders raise either
        height, width, _ = image.shape
        raise ImageError(
            f"{path}: {width} x {height} pixels cannot be written as {kind} ({error}); cut the photo into parts"
        ) from error
    write_atomically(path, stream.getvalue())


class _File(io.FileIO):
    """A file whose failed writes are told of the name that it will take."""

    def __init__(self, temporary: Path, path: Path) -> None:
        super().__init__(temporary, "wb")
        self._path = path

    def write(self, content: Any, /) -> int:
        """Write bytes.

        Raises:
            OutputError: if that fails.
        """
        with _blaming(self._path):
            return super().write(content)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turn an OSError in the block into an OutputError that names `path`.

    Raises:
        OutputError: if there is one.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); check that {path.parent} is a folder "
            "in which you may write and that there is space"
        ) from error
