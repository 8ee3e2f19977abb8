"""Where a photo was taken, as cameras write it."""

from pathlib import Path

import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from spica.images import position_of


def write(file: Path, tags: dict[int, object]) -> None:
    photo = Pillow.new("RGB", (16, 16))
    exif = photo.getexif()
    exif[ExifTags.IFD.GPSInfo] = tags
    photo.save(file, exif=exif)


@pytest.mark.parametrize(("north", "sign"), [("N", 1), ("S", -1)])
def test_degrees_minutes_and_seconds_are_a_position(tmp_path: Path, north: str, sign: int) -> None:
    write(tmp_path / "a.jpg", {1: north, 2: (48.0, 30.0, 36.0), 3: "W", 4: (2.0, 15.0, 0.0)})
    assert position_of(tmp_path / "a.jpg") == pytest.approx((sign * 48.51, -2.25))


@pytest.mark.parametrize(
    "tags", [{}, {1: "N", 2: (48.0, 30.0, 36.0)}, {1: "N", 2: (99.0, 0.0, 0.0), 4: (2.0, 0.0, 0.0)}]
)
def test_half_a_position_or_an_impossible_one_is_none(tmp_path: Path, tags: dict[int, object]) -> None:
    write(tmp_path / "a.jpg", tags)
    assert position_of(tmp_path / "a.jpg") is None
