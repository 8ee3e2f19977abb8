"""Facts about photos with fewer pixels: JPEGs decoded at a part of their size, and resizing."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps

from spica.errors import ImageError
from spica.images import fitted_size, image_size, read_image, read_photo, read_resized, resized

MODES = ("RGB", "L", "CMYK")
ORIENTATION = 0x0112


def hills(width: int, height: int) -> Pillow.Image:
    """Return a smooth photo that looks different from every side."""
    x, y = np.linspace(0, 1, width)[None], np.linspace(0, 1, height)[:, None]
    parts = [200 * x + 0 * y, 180 * y + 0 * x, 100 * x * y + 60 * x]
    return Pillow.fromarray(np.stack(parts, axis=2).round().astype(np.uint8))


def jpeg(folder: Path, image: Pillow.Image, orientation: int | None = None, **options: Any) -> Path:
    exif = Pillow.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    path = folder / "photo.jpg"
    image.save(path, "JPEG", exif=exif, quality=95, **options)
    return path


def by_pillow(path: Path) -> np.ndarray:
    with Pillow.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


# --- whole photos


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("orientation", [None, *range(1, 9), 0, 9])
def test_a_jpeg_has_the_pixels_that_pillow_gives_it(mode: str, orientation: int | None, tmp_path: Path) -> None:
    path = jpeg(tmp_path, hills(45, 31).convert(mode), orientation)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, by_pillow(path))
    np.testing.assert_array_equal(photo.pixels, read_image(path))
    assert photo.pixels.flags.writeable
    assert photo.pixels.flags.c_contiguous
    assert (photo.height, photo.width, 3) == photo.pixels.shape
    assert (photo.width, photo.height) == image_size(path)


@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}])
def test_every_kind_of_jpeg_has_the_pixels_that_pillow_gives_it(options: dict[str, Any], tmp_path: Path) -> None:
    path = jpeg(tmp_path, hills(45, 31), **options)
    np.testing.assert_array_equal(read_image(path), by_pillow(path))


# --- reduced photos


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_jpeg_shows_the_whole_photo_upright(mode: str, orientation: int, tmp_path: Path) -> None:
    path = jpeg(tmp_path, hills(320, 160).convert(mode), orientation)
    whole, photo = by_pillow(path), read_photo(path, 80)
    height, width, _ = whole.shape
    assert photo.pixels.shape == (height // 4, width // 4, 3)
    assert (photo.width, photo.height) == (width, height) == image_size(path)
    small = np.asarray(Pillow.fromarray(whole).resize((width // 4, height // 4), Pillow.Resampling.BOX))
    assert np.abs(photo.pixels.astype(int) - small).max() <= 4
    assert photo.pixels.flags.writeable
    assert photo.pixels.flags.c_contiguous


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 150),
    height=st.integers(1, 150),
    least=st.integers(1, 200),
    orientation=st.integers(1, 8),
    mode=st.sampled_from(MODES),
)
def test_the_longer_side_keeps_as_many_pixels_as_asked_for_and_gets_no_more_than_it_had(
    width: int, height: int, least: int, orientation: int, mode: str, tmp_path: Path
) -> None:
    path = jpeg(tmp_path, Pillow.new(mode, (width, height), "grey"), orientation)
    photo = read_photo(path, least)
    rows, columns, _ = photo.pixels.shape
    assert max(rows, columns) >= min(least, max(width, height))
    assert rows <= photo.height
    assert columns <= photo.width
    assert (photo.width, photo.height) == ((height, width) if orientation >= 5 else (width, height))
    # Both sides are reduced alike, by eighths, and rounded up.
    assert any(
        (columns, rows) == (-(-photo.width * eighths // 8), -(-photo.height * eighths // 8)) for eighths in range(1, 9)
    )


def test_a_photo_is_reduced_as_far_as_the_side_allows(tmp_path: Path) -> None:
    path = jpeg(tmp_path, hills(800, 400))
    sides = [max(read_photo(path, least).pixels.shape) for least in (1, 100, 101, 200, 400, 401, 800, 5000)]
    assert sides == [100, 100, 200, 200, 400, 500, 800, 800]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
def test_other_formats_are_read_whole(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo"
    hills(160, 80).save(path, kind)
    photo = read_photo(path, 20)
    assert photo.pixels.shape == (80, 160, 3)
    np.testing.assert_array_equal(photo.pixels, read_image(path))


def test_a_cmyk_jpeg_is_read_whole(tmp_path: Path) -> None:
    assert read_photo(jpeg(tmp_path, hills(160, 80).convert("CMYK")), 20).pixels.shape == (80, 160, 3)


@pytest.mark.parametrize("least", [None, 40])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_jpeg_without_its_end_is_an_image_error(part: float, mode: str, least: int | None, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 160, 3), dtype=np.uint8)
    path = jpeg(tmp_path, Pillow.fromarray(noise).convert(mode))
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ImageError, match=r"photo\.jpg: cannot be decoded .* copy it again") as caught:
        read_photo(path, least)
    assert "\n" not in str(caught.value)


def test_an_mpo_gives_its_first_frame_reduced(tmp_path: Path) -> None:
    path, stream = tmp_path / "photo.mpo", io.BytesIO()
    hills(160, 80).save(stream, "MPO", save_all=True, append_images=[Pillow.new("RGB", (160, 80), "black")])
    path.write_bytes(stream.getvalue())
    photo = read_photo(path, 40)
    assert photo.pixels.shape == (20, 40, 3)
    assert photo.pixels.mean() > 60


# --- resizing

SIDES = st.integers(1, 6000)


@given(width=SIDES, height=SIDES, side=st.integers(1, 2000))
def test_the_longer_side_becomes_the_side_asked_for_and_the_other_the_nearest(
    width: int, height: int, side: int
) -> None:
    fitted = fitted_size(width, height, side)
    assert max(fitted) == side
    for before, after in zip((width, height), fitted, strict=True):
        exact = before * side / max(width, height)
        assert abs(after - exact) <= 0.5 or after == 1
    assert fitted_size(height, width, side) == fitted[::-1]


@given(width=SIDES, height=SIDES)
def test_a_photo_of_the_side_asked_for_keeps_its_size(width: int, height: int) -> None:
    assert fitted_size(width, height, max(width, height)) == (width, height)


@given(width=st.integers(1, 90), height=st.integers(1, 90), side=st.integers(1, 90))
def test_a_resized_photo_has_the_fitted_size_and_its_colour(width: int, height: int, side: int) -> None:
    photo = np.full((height, width, 3), (40, 90, 200), dtype=np.uint8)
    small = resized(photo, side)
    assert (small.shape[1], small.shape[0]) == fitted_size(width, height, side)
    assert (small == (40, 90, 200)).all()


def test_a_photo_of_the_side_asked_for_is_the_same_photo() -> None:
    photo = np.asarray(hills(40, 30))
    assert resized(photo, 40) is photo


def test_halving_blends_four_columns_as_a_triangle_does() -> None:
    photo = np.zeros((1, 8, 3), dtype=np.uint8)
    photo[0, 3] = 160  # an eighth, three, three and an eighth of the columns under a pixel of half the size
    assert resized(photo, 4)[0, :, 0].tolist() == [0, 60, 20, 0]


# --- as a network looks at it


@pytest.mark.parametrize(("size", "side"), [((1024, 768), 640), ((300, 200), 640), ((45, 31), 0), ((640, 480), 640)])
def test_a_photo_is_read_with_the_pixels_that_a_network_wants(size: tuple[int, int], side: int, tmp_path: Path) -> None:
    photo = read_resized(jpeg(tmp_path, hills(*size)), side)
    width, height = fitted_size(*size, side) if side else size
    assert photo.pixels.shape == (height, width, 3)
    assert (photo.width, photo.height) == size
    whole = resized(read_image(tmp_path / "photo.jpg"), side) if side else read_image(tmp_path / "photo.jpg")
    assert np.abs(photo.pixels.astype(int) - whole).max() <= 4
