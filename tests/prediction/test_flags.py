"""Flags: raised where a count is doubtful, and not on photos of wheat."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageFilter

from spica.boxes import Boxes
from spica.detections import Detections, no_detections
from spica.image import Image
from spica.images import aspect_of, read_image, resized
from spica.labels.fields import SOURCES, render_field
from spica.labels.folder import read_labels
from spica.prediction.card import Card
from spica.prediction.flags import (
    BLUR,
    BORDER,
    CAP,
    LARGE_HEADS,
    MEANINGS,
    NOT_WHEAT,
    SMALL_HEADS,
    border_flag,
    flags,
)

SIDE = 640
CARD = Card(side=SIDE, head_sides=(20.0, 80.0))
REAL = 200  # photos
NAMES = [source.name for source in SOURCES]


def certain(boxes: Boxes) -> Detections:
    return Detections(boxes, np.full(len(boxes), 0.9, dtype=np.float32))


def squares(side: float, count: int) -> Detections:
    corner = np.arange(count, dtype=np.float32)[:, None].repeat(4, axis=1)
    return certain(corner + np.array([0, 0, side, side], dtype=np.float32))


@pytest.fixture(scope="module")
def fields() -> dict[str, tuple[Image, Detections]]:
    """Return a field of each source and the heads on it."""
    rendered = {source.name: render_field(n, side=SIDE, source=source, heads=40) for n, source in enumerate(SOURCES)}
    return {name: (photo, certain(boxes)) for name, (photo, boxes) in rendered.items()}


def changed(photo: Image, change: Callable[[Pillow.Image], Pillow.Image]) -> Image:
    return np.asarray(change(Pillow.fromarray(photo)))


def sky() -> Image:
    """Return a blue sky, brighter towards the horizon, with the noise of a sensor."""
    blue = np.linspace((60, 110, 200), (150, 190, 235), SIDE)[:, None].repeat(SIDE, axis=1)
    return (blue + np.random.default_rng(0).normal(0, 4, blue.shape)).clip(0, 255).astype(np.uint8)


def test_every_flag_has_a_meaning() -> None:
    assert set(MEANINGS) == {CAP, SMALL_HEADS, LARGE_HEADS, BLUR, NOT_WHEAT, BORDER}


@pytest.mark.parametrize("name", NAMES)
def test_a_rendered_field_has_no_flag(name: str, fields: dict[str, tuple[Image, Detections]]) -> None:
    photo, found = fields[name]
    assert flags(photo, found, CARD) == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_field_in_which_nothing_is_found_has_no_flag(name: str, fields: dict[str, tuple[Image, Detections]]) -> None:
    assert flags(fields[name][0], no_detections(), CARD) == ()


def test_a_photo_that_reached_the_cap_says_so_first(fields: dict[str, tuple[Image, Detections]]) -> None:
    photo, found = fields["green_gaps"]
    assert flags(photo, replace(found, capped=True), CARD) == (CAP,)
    assert flags(photo, replace(found, capped=True), None) == (CAP,)


@pytest.mark.parametrize(
    ("side", "raised"),
    [(19.0, (SMALL_HEADS,)), (20.0, ()), (50.0, ()), (80.0, ()), (81.0, (LARGE_HEADS,))],
)
def test_heads_outside_the_range_of_the_card_are_flagged(
    side: float, raised: tuple[str, ...], fields: dict[str, tuple[Image, Detections]]
) -> None:
    photo = fields["green_gaps"][0]
    assert flags(photo, squares(side, 5), CARD) == raised
    assert flags(photo, squares(side, 3), CARD) == raised
    assert flags(photo, squares(side, 2), CARD) == ()  # too few to say


def test_the_median_head_decides(fields: dict[str, tuple[Image, Detections]]) -> None:
    photo, mixed = fields["green_gaps"][0], np.concatenate([squares(10, 4).boxes, squares(40, 5).boxes])
    assert flags(photo, certain(mixed), CARD) == ()
    assert flags(photo, certain(np.concatenate([mixed, squares(10, 2).boxes])), CARD) == (SMALL_HEADS,)


def test_heads_are_measured_as_the_network_sees_them(fields: dict[str, tuple[Image, Detections]]) -> None:
    photo = fields["green_gaps"][0]
    assert flags(photo, squares(50, 5), replace(CARD, side=2 * SIDE)) == (LARGE_HEADS,)  # 100 pixels at that size
    assert flags(photo, squares(15, 5), replace(CARD, side=2 * SIDE)) == ()
    assert flags(photo, squares(15, 5), CARD, scale=2) == ()  # of a photo that was looked at in tiles
    assert flags(photo, squares(50, 5), CARD, scale=2) == (LARGE_HEADS,)


@pytest.mark.parametrize("card", [None, Card(side=SIDE)])
def test_without_a_range_nothing_is_said_of_the_size_of_heads(
    card: Card | None, fields: dict[str, tuple[Image, Detections]]
) -> None:
    assert flags(fields["green_gaps"][0], squares(2, 9), card) == ()


@pytest.mark.parametrize("radius", [2, 4, 8])
@pytest.mark.parametrize("name", NAMES)
def test_a_blurred_field_is_flagged(name: str, radius: int, fields: dict[str, tuple[Image, Detections]]) -> None:
    photo, found = fields[name]
    blurred = changed(photo, lambda image: image.filter(ImageFilter.GaussianBlur(radius)))
    assert BLUR in flags(blurred, found, CARD)


@pytest.mark.parametrize("name", NAMES)
def test_the_light_of_a_field_raises_no_flag(name: str, fields: dict[str, tuple[Image, Detections]]) -> None:
    photo, found = fields[name]
    for factor in (0.5, 1.3):
        assert flags((photo * factor).clip(0, 255).astype(np.uint8), found, CARD) == ()


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("found", [no_detections(), squares(40, 9)], ids=["nothing", "heads"])
def test_a_photo_of_one_grey_is_not_wheat(grey: int, found: Detections) -> None:
    assert NOT_WHEAT in flags(np.full((SIDE, SIDE, 3), grey, dtype=np.uint8), found, CARD)


@pytest.mark.parametrize("found", [no_detections(), squares(40, 9)], ids=["nothing", "heads"])
def test_a_blue_sky_is_not_wheat(found: Detections) -> None:
    assert NOT_WHEAT in flags(sky(), found, CARD)


def test_a_blue_field_is_not_wheat(fields: dict[str, tuple[Image, Detections]]) -> None:
    photo, found = fields["golden_awned"]
    assert NOT_WHEAT in flags(np.ascontiguousarray(photo[:, :, ::-1]), found, CARD)


def test_a_little_blue_is_doubted_only_where_hardly_a_head_is_found(
    fields: dict[str, tuple[Image, Detections]],
) -> None:
    photo = fields["golden_awned"][0].copy()
    photo[:, : SIDE // 14] = (30, 60, 200)  # a label at the border: a fourteenth of the photo
    assert flags(photo, squares(40, 9), CARD) == ()
    assert flags(photo, squares(40, 3), CARD) == (NOT_WHEAT,)


@pytest.mark.parametrize("size", [(1, 1), (1, 640), (15, 640), (16, 16), (17, 33), (640, 16)])
def test_photos_of_any_size_have_an_aspect(size: tuple[int, int]) -> None:
    aspect = aspect_of(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert all(np.isfinite([aspect.sharpness, aspect.bare, aspect.bluish]))
    assert 0 <= aspect.bare <= 1
    assert 0 <= aspect.bluish <= 1


@pytest.mark.parametrize("size", [(1, 1), (15, 640), (640, 15)])
def test_a_photo_too_small_to_be_judged_has_no_flag(size: tuple[int, int]) -> None:
    assert flags(np.zeros((*size, 3), dtype=np.uint8), squares(40, 0), CARD) == ()


def test_the_numbers_of_an_aspect_are_those_of_a_photo_drawn_by_hand() -> None:
    photo = np.full((128, 128, 3), 100, dtype=np.uint8)
    photo[:, 64:, 2] = 200  # the right half is blue
    assert aspect_of(photo).bluish == 0.5
    assert aspect_of(photo).bare == pytest.approx(1.0)  # one step between the halves is no texture
    photo[:, ::2] = 0
    assert aspect_of(photo).bare == 0


def test_hardly_any_real_photo_is_called_blurred_or_not_wheat(gwhd: Path) -> None:
    labels, _ = read_labels(gwhd)
    chosen = [labels[index * len(labels) // REAL] for index in range(REAL)]  # they come sorted by source
    raised = []
    for image in chosen:
        photo = resized(read_image(image.path), SIDE)
        found = certain(image.boxes * np.float32(SIDE / max(image.width, image.height)))
        raised += [(image.id, flag) for flag in flags(photo, found, None)]
    assert len({image.source for image in chosen}) >= 5
    assert len(raised) < REAL / 100, raised


@pytest.mark.parametrize(("inner", "raised"), [(8, ()), (7, (BORDER,))])
def test_a_photo_most_of_whose_heads_the_border_cuts_is_flagged(inner: int, raised: tuple[str, ...]) -> None:
    whole = [[20 + 10 * n, 30, 28 + 10 * n, 40] for n in range(inner)]
    cut = [[0, 10 * n, 8, 10 * n + 8] for n in range(4)] + [[90, 10 * n, 119.5, 10 * n + 8] for n in range(4)]
    found = certain(np.array(whole + cut, dtype=np.float32))
    assert border_flag(found, 120, 80) == raised
    assert border_flag(found, 1200, 80) == ()  # only the left ones lie at the border of this one


def test_a_few_heads_say_nothing_of_the_border() -> None:
    found = certain(np.array([[0, 10 * n, 8, 10 * n + 8] for n in range(7)], dtype=np.float32))
    assert border_flag(found, 120, 80) == ()
