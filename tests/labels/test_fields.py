"""Rendered fields: same bytes for the same seed, boxes exact, hidden heads left out, a folder that can be read."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from spica.boxes import Boxes, area, is_valid
from spica.errors import OutputError
from spica.image import Image
from spica.images import read_image
from spica.labels.fields import SOURCES, Source, render_field, render_fields
from spica.labels.fields.camera import Camera, take_photo
from spica.labels.fields.heads import Ear, grow_head
from spica.labels.fields.noise import value_noise
from spica.labels.fields.stand import draw_head_count, grow_stand
from spica.labels.fields.surfaces import FLAT, GRAIN, Finish, Surfaces, grains, join, ribbons, scaled
from spica.labels.fields.truth import label_heads
from spica.labels.fields.views import look, paint
from spica.labels.folder import read_labels

SIDE = 128


def finish(count: int, grey: float = 0.5) -> Finish:
    colour = np.full((count, 3), grey, dtype=np.float32)
    flat = np.zeros(count, dtype=np.float32)
    return Finish(colour, colour * np.float32(0), flat, flat, flat)


def ball(x: float, y: float, z: float, radius: float, head: int) -> Surfaces:
    axes = np.diag([radius, radius * 0.99, radius * 0.98])[None]
    return grains(np.array([[x, y, z]], dtype=np.float64), axes, finish(1), head)


def sheet(left: float, right: float, z: float) -> Surfaces:
    """Return a leaf that covers the columns from `left` to `right` of a picture of 100 x 100."""
    line = np.array([[[(left + right) / 2, -50.0, z], [(left + right) / 2, 150.0, z]]], dtype=np.float32)
    side = np.zeros((1, 2, 3), dtype=np.float32)
    side[..., 0] = (right - left) / 2
    return ribbons(line, side, finish(1))


def ear(number: int, base: tuple[float, float, float], axis: tuple[float, float, float]) -> Ear:
    colour = np.array([0.5, 0.5, 0.3])
    return Ear(number, np.array(base, dtype=np.float64), np.array(axis), np.zeros(3), 60.0, 18.0, colour, 1.0, colour)


def without(surfaces: Surfaces, head: int) -> Surfaces:
    keep = surfaces.head != head
    kept = {each.name: getattr(surfaces, each.name)[keep] for each in fields(Surfaces) if each.name != "finish"}
    looks = {each.name: getattr(surfaces.finish, each.name)[keep] for each in fields(Finish)}
    return Surfaces(**kept, finish=Finish(**looks))


@pytest.fixture(scope="module")
def photos() -> dict[str, tuple[Image, Boxes]]:
    """Return a photo with 40 heads of each source."""
    return {source.name: render_field(n, side=SIDE, heads=40, source=source) for n, source in enumerate(SOURCES)}


@pytest.mark.parametrize("source", [None, SOURCES[0]], ids=["any source", "awned"])
def test_same_seed_gives_same_bytes_and_boxes(source: Source | None) -> None:
    first, second = (render_field(5, side=64, heads=12, source=source) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()


def test_another_seed_gives_another_photo() -> None:
    first, second = (render_field(seed, side=64, heads=3, source=SOURCES[1])[0] for seed in (1, 2))
    assert (first != second).mean() > 0.5


def test_boxes_are_valid_inside_and_no_more_than_heads(photos: dict[str, tuple[Image, Boxes]]) -> None:
    for photo, boxes in photos.values():
        assert photo.shape == (SIDE, SIDE, 3)
        assert photo.dtype == np.uint8
        assert boxes.dtype == np.float32
        assert is_valid(boxes).all()
        assert (boxes >= 0).all()
        assert (boxes <= SIDE).all()
        assert 20 <= len(boxes) <= 40  # more than half of them can be seen


def test_a_field_without_heads_has_no_boxes_but_plants() -> None:
    photo, boxes = render_field(3, side=SIDE, heads=0, source=SOURCES[4])
    assert boxes.shape == (0, 4)
    assert photo.std() > 20


def test_heads_scale_with_the_side() -> None:
    small, large = (render_field(8, side=side, heads=20, source=SOURCES[1])[1] for side in (96, 192))
    assert len(small) == len(large)
    np.testing.assert_allclose(small * 2, large, atol=1e-3)


def test_heads_have_the_size_of_real_ones(photos: dict[str, tuple[Image, Boxes]]) -> None:
    sizes = np.concatenate([np.sqrt(area(boxes)) for _, boxes in photos.values()])
    assert 60 < np.median(sizes) * 1024 / SIDE < 90  # 73 on real photos of 1024 pixels


def test_head_counts_are_those_of_real_photos() -> None:
    random = np.random.default_rng(0)
    counts = np.array([draw_head_count(random, SOURCES[number % len(SOURCES)]) for number in range(3500)])
    assert 36 < counts.mean() < 46  # 43.8 on real photos
    assert 0.005 < (counts == 0).mean() < 0.03  # 49 of 3,422
    assert counts.max() <= 150


def test_box_of_a_ball_is_its_outline() -> None:
    surfaces = ball(50, 40, 30, 20, head=0)
    view = look(surfaces, (0.0, 0.0))
    boxes = label_heads(surfaces, view, paint(view, 100, 100))
    np.testing.assert_allclose(boxes, [[30, 20.2, 70, 59.8]], atol=0.8)  # the outline is a polygon of 12 corners


def test_a_slanted_view_moves_high_things() -> None:
    surfaces = ball(30, 40, 40, 10, head=0)
    view = look(surfaces, (0.5, 0.0))
    [box] = label_heads(surfaces, view, paint(view, 100, 100))
    assert (box[0] + box[2]) / 2 == pytest.approx(50, abs=0.5)  # 30 + 0.5 * 40
    assert box[2] - box[0] == pytest.approx(2 * 10 * np.sqrt(1 + 0.25), abs=0.8)


@pytest.mark.parametrize("slant", [(0.0, 0.0), (0.5, -0.3)])
def test_taking_a_head_away_changes_only_pixels_in_its_box(slant: tuple[float, float]) -> None:
    random = np.random.default_rng(4)
    surfaces = scaled(grow_stand(random, SOURCES[0], 6, slant), 0.25)
    view = look(surfaces, slant)
    ids = paint(view, 256, 256)
    owner = np.concatenate([[-1], surfaces.head])
    for number in range(6):
        fewer = without(surfaces, number)
        original = np.concatenate([[0], np.flatnonzero(surfaces.head != number) + 1])
        changed = original[paint(look(fewer, slant), 256, 256)] != ids
        np.testing.assert_array_equal(changed, owner[ids] == number)
        rows, columns = np.nonzero(changed)
        outlines = view.outlines[surfaces.head == number].reshape(-1, 2)
        if len(rows):
            assert (np.array([columns.min(), rows.min()]) >= np.floor(outlines.min(axis=0)) - 1).all()
            assert (np.array([columns.max(), rows.max()]) <= np.ceil(outlines.max(axis=0)) + 1).all()


@pytest.mark.parametrize("axis", [(0.0, 0.0, 1.0), (0.8, 0.0, 0.6), (0.6, 0.8, 0.0)])
def test_box_of_a_head_is_tight_and_leaves_its_awns_out(axis: tuple[float, float, float]) -> None:
    parts = grow_head(np.random.default_rng(0), ear(0, (90, 90, 10), axis))
    surfaces = join(parts)
    view = look(surfaces, (0.1, 0.2))
    [box] = label_heads(surfaces, view, paint(view, 256, 256))
    alone = join([part for part in parts if part.head[0] == 0])
    rows, columns = np.nonzero(paint(look(alone, (0.1, 0.2)), 256, 256))
    tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(box, tight, atol=1.0)
    everything = np.nonzero(paint(view, 256, 256))
    assert everything[1].max() > box[2] + 3 or everything[0].max() > box[3] + 3  # awns reach farther


@pytest.mark.parametrize(("covered", "labelled"), [(0.6, True), (0.8, False)])
def test_a_head_is_labelled_when_30_percent_can_be_seen(*, covered: float, labelled: bool) -> None:
    block = [ball(x, y, 10, 3.0, head=0) for x in range(20, 81, 2) for y in range(20, 81, 2)]
    hidden = sheet(0, 17 + 66 * covered, 50)
    surfaces = join([*block, hidden, ball(250.0, 250.0, 5.0, 4.0, head=-1)])
    view = look(surfaces, (0.0, 0.0))
    boxes = label_heads(surfaces, view, paint(view, 100, 100))
    assert len(boxes) == labelled
    if labelled:  # the box encloses the hidden part as well
        np.testing.assert_allclose(boxes, [[17, 17, 83, 83]], atol=0.5)


@pytest.mark.parametrize(("middle", "labelled"), [(0.0, True), (-12.0, False)])
def test_a_head_cut_by_the_border_is_labelled_when_30_percent_is_left(*, middle: float, labelled: bool) -> None:
    surfaces = ball(middle, 50, 20, 20, head=0)
    view = look(surfaces, (0.0, 0.0))
    boxes = label_heads(surfaces, view, paint(view, 100, 100))
    assert len(boxes) == labelled
    if labelled:
        np.testing.assert_allclose(boxes[0, [0, 2]], [0, 20], atol=0.8)


def test_the_higher_surface_hides_the_lower() -> None:
    surfaces = join([ball(50, 50, 40, 10, head=0), ball(50, 50, 10, 10, head=1)])
    view = look(surfaces, (0.0, 0.0))
    ids = paint(view, 100, 100)
    assert set(np.unique(ids).tolist()) == {0, 1}
    assert len(label_heads(surfaces, view, ids)) == 1


def test_heads_are_two_rows_of_spikelets() -> None:
    parts = grow_head(np.random.default_rng(2), ear(0, (0, 0, 0), (1.0, 0.0, 0.0)))
    body = max((part for part in parts if part.head[0] == 0), key=len)
    assert (body.shape == GRAIN).all()
    assert 36 <= len(body) <= 100  # 9 to 25 spikelets of 4 florets
    rest = body.center[:-4, 1:]  # the last spikelet crowns the head
    row = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)[2][0]
    assert np.abs(rest.mean(axis=0) @ row) < 3  # as much on one side as on the other
    assert np.linalg.norm(rest, axis=1).mean() > 2


def test_leaves_are_flat_and_carry_no_head() -> None:
    leaf = sheet(10, 20, 5)
    assert leaf.shape.tolist() == [FLAT]
    assert leaf.head.tolist() == [-1]


def test_photos_get_as_bright_as_the_camera_is_told() -> None:
    random = np.random.default_rng(0)
    light = random.uniform(0, 3, (256, 256, 1)).astype(np.float32) * np.ones(3, dtype=np.float32)
    camera = Camera(bright=0.7, warm=0.0, blur=0.0, noise=0.0, depth=0.1, vignette=0.0)
    smooth = np.repeat(np.repeat(light[::2, ::2], 2, axis=0), 2, axis=1)
    photo = take_photo(random, smooth, np.zeros((256, 256), dtype=np.float32), camera, 128)
    assert np.percentile(photo, 95) / 255 == pytest.approx(0.7, abs=0.03)


def test_noise_has_mean_0_and_deviation_1() -> None:
    noise = value_noise(np.random.default_rng(0), 400, 400, 5.0)
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert noise.std() == pytest.approx(1, abs=0.2)


def test_heads_are_brighter_than_what_is_around_them(photos: dict[str, tuple[Image, Boxes]]) -> None:
    for name, (photo, boxes) in photos.items():
        inside = np.zeros(photo.shape[:2], dtype=bool)
        for left, top, right, bottom in boxes.round().astype(int).tolist():
            inside[top:bottom, left:right] = True
        assert photo[inside].mean() > photo[~inside].mean() + 5, name


def test_sources_differ_in_light_and_colour(photos: dict[str, tuple[Image, Boxes]]) -> None:
    colours = {name: photo.mean(axis=(0, 1)) for name, (photo, _) in photos.items()}
    assert colours["golden_awned"][0] > colours["golden_awned"][1] > colours["golden_awned"][2]
    assert colours["oblique_green"][1] > colours["oblique_green"][0]
    assert colours["dark_nadir"].mean() < colours["golden_awnless"].mean()


def test_a_written_folder_reads_back_as_it_was(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    labels = render_fields(tmp_path / "fields", 3, 3, side=96, progress=lambda done, all_: calls.append((done, all_)))
    assert calls == [(done, 3) for done in range(1, 4)]
    assert [path.name for path in tmp_path.iterdir()] == ["fields"]
    read, problems = read_labels(tmp_path / "fields", deep=True)
    assert not [problem for problem in problems if problem.severity == "error"]
    found = {image.id: image for image in read}
    assert found.keys() == {image.id for image in labels}
    for image in labels:
        assert read_image(image.path).shape == (96, 96, 3)
        assert found[image.id].source == image.source
        np.testing.assert_array_equal(found[image.id].boxes, image.boxes)
    assert len({image.source for image in labels}) == 3


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name in ("first", "second"):
        render_fields(tmp_path / name, 1, 9, side=64)
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert len(files) >= 3
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="not empty"):
        render_fields(tmp_path, 1, 0, side=64)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_impossible_wishes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="side is 32, expected 64"):
        render_field(0, side=32)
    with pytest.raises(ValueError, match="heads is 151, expected 0 to 150"):
        render_field(0, side=64, heads=151)
    with pytest.raises(ValueError, match="images is 0, expected 1"):
        render_fields(tmp_path / "none", 0, 0)
