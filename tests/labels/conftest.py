"""Photos and data sets for the tests of labels."""

import os
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import jaxtyping
import pytest
from PIL import Image as Pillow

from spica.labels.folder import read_labels
from spica.labels.labelled import Labels
from spica.labels.problems import Problem


@cache
def _photo(width: int, height: int, kind: str) -> bytes:
    stream = BytesIO()
    Pillow.new("L", (width, height), 90).save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="session")
def put_photo() -> Callable[..., Path]:
    """Return a function that writes a grey photo of a size, 1024 x 1024 if none is given."""

    def put(path: Path, width: int = 1024, height: int = 1024) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_photo(width, height, "PNG" if path.suffix == ".png" else "JPEG"))
        return path

    return put


@pytest.fixture(scope="session")
def gwhd() -> Path:
    """Return the folder of real photos, or skip the test."""
    folder = os.environ.get("SPICA_GWHD")
    if not folder:
        pytest.skip("SPICA_GWHD is not set: no real photos to test on")
    return Path(folder)


@pytest.fixture(scope="session")
def real(gwhd: Path) -> tuple[Labels, list[Problem]]:
    """Return the labels and problems of the real photos, read at full speed: shapes are checked in the other tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        return read_labels(gwhd)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
