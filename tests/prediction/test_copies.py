"""Photos that are counted twice: which pairs are told."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spica.boxes import no_boxes
from spica.detections import Detections
from spica.images import name_photos, write_image
from spica.prediction.copies import copies_told
from spica.prediction.journal import Outcome
from spica.prediction.reading import Results


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of two photos, one of which has a copy."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, grey in (("x.jpg", 90), ("y.jpg", 30)):
        write_image(folder / name, np.full((40, 60, 3), grey, dtype=np.uint8))
    shutil.copy(folder / "x.jpg", folder / "x (1).jpg")
    return folder


def results_on(folder: Path, names: Sequence[str] = (), *, raster: bool = False) -> Results:
    found = Detections(no_boxes(), np.zeros(0, dtype=np.float32))
    outcomes = tuple(Outcome(name, 60, 40, found) for name in names or name_photos([folder]))
    return Results(outcomes, None, 0.0, (folder,), raster=raster)


def test_a_copy_is_told_with_what_to_do(photos: Path) -> None:
    assert copies_told(results_on(photos)) == (
        "1 photo(s) counted again, for two files are the same: x (1).jpg and x.jpg; delete one of each two and count "
        "again"
    )


def test_five_pairs_are_told_by_name_and_how_many_more_there_are(photos: Path) -> None:
    for number in range(2, 8):
        shutil.copy(photos / "y.jpg", photos / f"y ({number}).jpg")
    told = copies_told(results_on(photos))
    assert told.startswith("7 photo(s) counted again")
    pairs = ["x (1).jpg and x.jpg", *(f"y (2).jpg and y ({number}).jpg" for number in range(3, 7))]
    assert f"{', '.join(pairs)}, and 2 more;" in told


def test_photos_that_were_not_counted_or_are_gone_and_rasters_are_not_compared(photos: Path) -> None:
    assert copies_told(results_on(photos, ["x.jpg", "y.jpg"])) == ""
    assert copies_told(results_on(photos, raster=True)) == ""
    results = results_on(photos)
    (photos / "x.jpg").unlink()
    assert copies_told(results) == ""
    for photo in photos.iterdir():
        photo.unlink()
    assert copies_told(results) == ""
    photos.rmdir()
    assert copies_told(results) == ""
