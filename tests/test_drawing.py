"""Facts about drawing heads on photos."""

import numpy as np
import pytest

from spica.boxes import Boxes, no_boxes
from spica.detections import Detections, no_detections
from spica.drawing import FALSE, FOUND, HIT, MISS, contact_sheet, draw_evaluation
from spica.image import Image

GREEN = (60, 120, 40)


def field(width: int = 200, height: int = 160) -> Image:
    return np.full((height, width, 3), GREEN, dtype=np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> Boxes:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def detections(*rows: tuple[float, float, float, float]) -> Detections:
    return Detections(boxes(*rows), np.linspace(0.9, 0.5, len(rows), dtype=np.float32))


def pixels_of(colour: tuple[int, int, int], image: Image) -> int:
    return int((image == colour).all(axis=2).sum())


def test_a_frame_lies_on_the_edges_of_its_box_and_leaves_the_inside_alone() -> None:
    drawn = detections((100, 60, 140, 120)).draw(field())
    for y, x in ((60, 120), (119, 120), (90, 100), (90, 139)):
        assert tuple(drawn[y, x]) == FOUND
    assert (drawn[64:116, 104:136] == GREEN).all()
    assert (drawn[150:, 150:] == GREEN).all()


def test_the_photo_itself_is_not_changed() -> None:
    photo = field()
    detections((100, 60, 140, 120)).draw(photo)
    assert (photo == GREEN).all()


def test_the_count_stands_in_the_corner_even_if_it_is_zero() -> None:
    drawn = no_detections().draw(field())
    assert (drawn[:12, :12] != GREEN).any()
    assert drawn[:20, :60].max() > 200  # white letters
    assert (drawn[100:] == GREEN).all()


def test_different_counts_look_different() -> None:
    one = detections((100, 60, 140, 120)).draw(field())
    two = detections((100, 60, 140, 120), (100, 60, 140, 120)).draw(field())
    assert (one[:30, :100] != two[:30, :100]).any()


def test_lines_grow_with_the_photo() -> None:
    def frame(side: int) -> int:
        drawn = detections((side / 2, side / 2, side * 0.75, side * 0.75)).draw(field(side, side))
        return int((drawn[round(side * 0.6)] == FOUND).all(axis=1).sum()) // 2

    assert frame(200) == 1
    assert frame(1024) == 2
    assert frame(2048) == 4


def test_scores_are_written_only_when_asked_for() -> None:
    found = detections((80, 60, 180, 150))
    plain, scored = found.draw(field()), found.draw(field(), scores=True)
    assert (plain[63:147, 83:177] == GREEN).all()
    assert (scored[63:147, 83:177] != GREEN).any()


@pytest.mark.parametrize(
    "box",
    [
        (-50, -50, 20, 20),
        (190, 150, 500, 500),
        (300, 300, 400, 400),
        (50.2, 50.2, 50.3, 50.3),
        (0, 0, 200, 160),
        (60, 60, 60, 90),
    ],
)
def test_boxes_outside_or_without_area_are_drawn_without_an_error(box: tuple[float, float, float, float]) -> None:
    drawn = detections(box).draw(field())
    assert drawn.shape == field().shape


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_the_smallest_photos_can_be_drawn_on(size: tuple[int, int]) -> None:
    photo = field(*size)
    assert detections((0, 0, 1, 1)).draw(photo, scores=True).shape == photo.shape


def test_hits_misses_and_false_boxes_have_their_own_colours() -> None:
    found = detections((100, 20, 130, 50), (150, 20, 180, 50))
    truth = boxes((101, 20, 131, 50), (100, 100, 130, 130))
    drawn = draw_evaluation(field(), found.boxes, truth, np.array([0, -1]))
    assert tuple(drawn[20, 115]) == HIT
    assert tuple(drawn[20, 165]) == FALSE
    assert tuple(drawn[100, 115]) == MISS


def test_the_legend_shows_all_three_colours_even_without_boxes() -> None:
    drawn = draw_evaluation(field(800, 800), no_boxes(), no_boxes(), np.zeros(0, dtype=np.int64))
    assert all(pixels_of(colour, drawn) for colour in (HIT, MISS, FALSE))


def test_matches_that_do_not_fit_are_misuse() -> None:
    found, truth = detections((0, 0, 9, 9)), boxes((0, 0, 9, 9))
    with pytest.raises(ValueError, match="matches"):
        draw_evaluation(field(), found.boxes, truth, np.array([1]))


def test_a_contact_sheet_puts_photos_in_rows_and_keeps_their_shape() -> None:
    sheet = contact_sheet([field(200, 100), field(100, 200), field(50, 50)], 2, side=40)
    assert sheet.shape == (80, 80, 3)
    assert (sheet[15:25, 2:38] == GREEN).all()
    assert (sheet[:9, :40] == 0).all()
    assert (sheet[2:38, 55:65] == GREEN).all()
    assert (sheet[40:, 40:] == 0).all()


def test_a_contact_sheet_of_few_photos_is_not_wider_than_they_are() -> None:
    assert contact_sheet([field()], 5, side=40).shape == (40, 40, 3)
    with pytest.raises(ValueError, match="expected 1 or more"):
        contact_sheet([], 2)
