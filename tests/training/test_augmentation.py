"""Augmentation: boxes follow their heads, and a sample is a pure function of its generator."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spica.training.augmentation import Sample, coloured, crop, make_sample, mixed, mosaic, turned
from spica.training.recipe import SampleSettings

PLAIN = SampleSettings(side=64, brightness=0, contrast=0, saturation=0, gains=0)


def painted(boxes: list[list[int]], size: tuple[int, int] = (96, 128)) -> Sample:
    """A black photo with white rectangles."""
    photo = torch.zeros(3, *size, dtype=torch.uint8)
    for left, top, right, bottom in boxes:
        photo[:, top:bottom, left:right] = 255
    return all_heads(photo, torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))


def all_heads(photo: torch.Tensor, boxes: torch.Tensor) -> Sample:
    return Sample(photo, boxes, torch.ones(len(boxes), dtype=torch.bool))


def seen(photo: torch.Tensor) -> list[int]:
    """The box around everything bright."""
    rows, columns = torch.where(photo[0] > 127)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), zoom=st.floats(0.5, 3.0))
def test_a_box_lies_where_its_head_is_after_cropping_and_turning(seed: int, zoom: float) -> None:
    random = np.random.default_rng(seed)
    sample = turned(crop(painted([[40, 30, 70, 50]]), (64, 64), zoom, random), PLAIN, random)
    if len(sample.boxes):
        assert np.abs(np.array(seen(sample.photo)) - sample.boxes[0].numpy()).max() <= 1.01  # half a grey pixel a side
    elif (sample.photo > 127).any():  # less than 30 % was left of it
        left, top, right, bottom = seen(sample.photo)
        assert (right - left) * (bottom - top) < 0.4 * 600 * zoom**2


def test_turning_without_mirroring_keeps_what_is_left_of_what_is_below() -> None:
    photo = torch.arange(4, dtype=torch.uint8).reshape(1, 2, 2).repeat(3, 1, 1)  # 0 1 above 2 3
    sample = all_heads(photo, torch.tensor([[0.0, 0, 1, 1]]))
    chosen = PLAIN.model_copy(update={"flips": False})
    turns = set()
    for seed in range(20):
        one = turned(sample, chosen, np.random.default_rng(seed))
        turns.add((tuple(one.photo[0].flatten().tolist()), tuple(one.boxes[0].tolist())))
    assert turns == {((0, 1, 2, 3), (0, 0, 1, 1)), ((1, 3, 0, 2), (0, 1, 1, 2))}


def test_a_window_far_larger_than_the_photo_needs_no_memory() -> None:
    sample = crop(painted([[0, 0, 20_000, 50]], (50, 20_000)), (64, 64), 0.0016, np.random.default_rng(0))
    assert sample.photo.shape == (3, 64, 64)
    assert (sample.photo != 114).any(dim=0).sum() == 32  # 20,000 x 50 pixels are 32 x 1 of them


def test_a_photo_smaller_than_the_sample_is_surrounded_by_grey() -> None:
    sample = crop(painted([[0, 0, 20, 20]], (20, 20)), (64, 64), 1.0, np.random.default_rng(0))
    assert set(sample.photo.flatten().tolist()) == {114, 255}
    assert seen(sample.photo) == sample.boxes[0].tolist()


def test_mosaic_holds_four_photos_and_their_boxes() -> None:
    heads = [[left, top, left + 10, top + 10] for left in range(0, 128, 20) for top in range(0, 96, 20)]
    sample = mosaic([painted(heads)] * 4, PLAIN, 128, np.random.default_rng(1))
    assert sample.photo.shape == (3, 64, 64)
    centres = ((sample.boxes[:, :2] + sample.boxes[:, 2:]) / 2).tolist()
    assert {(x < 32, y < 32) for x, y in centres} == {(True, True), (True, False), (False, True), (False, False)}
    assert all(sample.photo[0, int(y), int(x)] > 200 for x, y in centres)


def test_mixup_shows_both_photos_half_and_keeps_all_boxes() -> None:
    both = mixed(painted([[0, 0, 10, 10]]), painted([[5, 0, 15, 10]]))
    assert both.boxes.tolist() == [[0, 0, 10, 10], [5, 0, 15, 10]]
    assert [int(both.photo[0, 0, column]) for column in (2, 7, 12, 20)] == [127, 255, 127, 0]


def test_what_is_to_be_ignored_stays_so_wherever_it_goes() -> None:
    heads = [[left, top, left + 10, top + 10] for left in range(0, 128, 20) for top in range(0, 96, 20)]
    first = painted(heads)
    doubtful = replace(first, heads=first.boxes[:, 0] < 60)
    chosen = SampleSettings(side=64, mosaic=1.0, mixup=1.0)
    for seed in range(8):
        sample = make_sample(doubtful, lambda: doubtful, chosen, 128, np.random.default_rng(seed))
        assert len(sample.heads) == len(sample.boxes)
        assert 0 < sample.heads.sum() < len(sample.heads)
    whole = turned(crop(doubtful, (96, 128), 1.0, np.random.default_rng(0)), PLAIN, np.random.default_rng(3))
    widths = whole.boxes[:, 2] - whole.boxes[:, 0]
    assert torch.equal(whole.heads, doubtful.heads)
    assert set(widths.tolist()) == {8.0, 10.0}  # those at the lower and the right border are cut


def test_a_region_to_be_ignored_that_is_larger_than_a_sample_stays_ignored() -> None:
    sample = Sample(
        torch.zeros(3, 512, 512, dtype=torch.uint8),
        torch.tensor([[12.0, 0, 512, 512], [0, 0, 100, 100]]),
        torch.tensor([False, True]),
    )
    for seed in range(10):
        random = np.random.default_rng(seed)
        for part in (crop(sample, (64, 64), 1.0, random), mosaic([sample] * 4, PLAIN, 512, random)):
            sides = part.boxes[~part.heads][:, 2:] - part.boxes[~part.heads][:, :2]
            assert sides.prod(dim=1).sum() >= 64 * 52  # all of the sample but what lies left of the region


def test_colours_change_and_boxes_do_not() -> None:
    random = np.random.default_rng(0)
    photo = torch.from_numpy(random.integers(0, 256, (3, 64, 64), dtype=np.uint8))
    sample = all_heads(photo, torch.tensor([[1.0, 2.0, 30.0, 40.0]]))
    strong = SampleSettings(side=64, hue=0.1, blur=1.0, jpeg=1.0)
    changed = coloured(sample, strong, random)
    assert changed.photo.dtype == torch.uint8
    assert not torch.equal(changed.photo, photo)
    assert torch.equal(changed.boxes, sample.boxes)


def test_without_changes_of_colour_the_pixels_stay() -> None:
    photo = torch.arange(3 * 64 * 64).remainder(256).to(torch.uint8).reshape(3, 64, 64)
    assert torch.equal(coloured(all_heads(photo, torch.zeros(0, 4)), PLAIN, np.random.default_rng(0)).photo, photo)


@pytest.mark.parametrize("mix", [{}, {"mosaic": 1.0}, {"mixup": 1.0}, {"mosaic": 1.0, "mixup": 1.0}])
def test_the_same_generator_gives_the_same_sample(mix: dict[str, float]) -> None:
    chosen = SampleSettings(side=64, blur=0.5, jpeg=0.5, **mix)  # type: ignore[arg-type]
    first, second = (
        make_sample(
            painted([[40, 30, 70, 50]]), lambda: painted([[0, 0, 20, 20]]), chosen, 128, np.random.default_rng(5)
        )
        for _ in range(2)
    )
    assert torch.equal(first.photo, second.photo)
    assert torch.equal(first.boxes, second.boxes)
    assert first.photo.shape == (3, 64, 64)


def test_a_bicubic_filter_is_sharper_and_leaves_boxes() -> None:
    sample = painted([[10, 10, 50, 50]], (128, 128))
    linear, sharp = (crop(sample, (64, 64), 0.5, np.random.default_rng(0), bicubic) for bicubic in (0.0, 1.0))
    assert torch.equal(linear.boxes, sharp.boxes)
    changes = [one.photo.float().diff(dim=-1).abs().max() for one in (linear, sharp)]
    assert changes[1] > changes[0]


@pytest.mark.parametrize("side", [12, 20, 40])
def test_the_median_head_is_drawn_as_large_as_asked_for_whatever_its_size(side: int) -> None:
    sample = painted([[x, y, x + side, y + side] for x, y in ((10, 10), (60, 20), (30, 70), (80, 80))], (128, 128))
    chosen = PLAIN.model_copy(update={"head_sides": (20.0, 30.0), "side": 96})
    sides = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        boxes = make_sample(sample, lambda: sample, chosen, 64, random).boxes
        whole = boxes[((boxes > 0.5) & (boxes < 95.5)).all(dim=1)]
        sides += (whole[:, 2:] - whole[:, :2]).flatten().tolist()
    assert len(sides) > 20
    assert 20 - 1 <= min(sides) < 22  # a window has whole pixels
    assert 28 < max(sides) <= 30 + 1


@pytest.mark.parametrize("number", [0, 2])
def test_a_photo_with_hardly_a_head_keeps_its_zoom(number: int) -> None:
    photo = torch.arange(128).expand(3, 128, 128).to(torch.uint8)
    chosen = PLAIN.model_copy(update={"head_sides": (20.0, 30.0), "zoom": (2.0, 2.0), "flips": False})
    chosen = chosen.model_copy(update={"quarter_turns": False})
    few = all_heads(photo, torch.tensor([[0.0, 0, 2, 2]] * number).reshape(-1, 4))
    sample = make_sample(few, lambda: few, chosen, 64, np.random.default_rng(0))
    assert float(sample.photo[0, 0].float().diff().mean()) == pytest.approx(1.0, abs=0.02)  # as large as it is
