"""Submissions: what is written is read back, and every bad row is reported with its number and a remedy."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spica.boxes import no_boxes
from spica.detections import Detections, no_detections
from spica.errors import SubmissionError
from spica.labels.labelled import LabelledImage
from spica.prediction.submission import (
    ListedImage,
    check_submission,
    read_domains,
    read_submission,
    require_place,
    write_gwhd_submission,
    write_submission,
)

HEADER = "image_id,PredictionString\n"
GWHD_HEADER = "image_name,PredString,domain\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "submission.csv"


def found(*rows: tuple[float, ...]) -> Detections:
    """Detections from rows of score, left, top, right, bottom."""
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    return Detections(table[:, 1:], table[:, 0])


# Left and width cannot hold a right edge a billion times smaller than the left one: such edges are 0 here.
EDGES = st.floats(-30_000, 30_000, width=32).map(lambda edge: edge if abs(edge) > 1e-4 else 0.0)
ROWS = st.lists(st.tuples(st.floats(0, 1, width=32), EDGES, EDGES, EDGES, EDGES), max_size=5)


def boxes_with_scores(rows: list[tuple[float, float, float, float, float]]) -> Detections:
    return found(
        *((s, min(x, right), min(y, bottom), max(x, right), max(y, bottom)) for s, x, y, right, bottom in rows)
    )


def same(one: Detections, other: Detections) -> bool:
    return np.array_equal(one.boxes, other.boxes) and np.array_equal(one.scores, other.scores)


# Writing and reading back.


def test_kaggle_form_is_score_left_top_width_height(file: Path) -> None:
    write_submission(file, {"b": found((0.9, 10, 20, 15.5, 26), (0.25, 0, 0, 1, 1)), "a": no_detections()})
    assert file.read_text() == HEADER + "b,0.9 10.0 20.0 5.5 6.0 0.25 0.0 0.0 1.0 1.0\na,\n"


@settings(max_examples=60, deadline=None)
@given(one=ROWS, two=ROWS)
def test_reading_gives_back_the_very_numbers_that_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    one: list[tuple[float, float, float, float, float]],
    two: list[tuple[float, float, float, float, float]],
) -> None:
    file = tmp_path_factory.getbasetemp() / "round trip.csv"
    written = {"two": boxes_with_scores(two), "one": boxes_with_scores(one)}
    write_submission(file, written)
    back = read_submission(file)
    assert list(back) == ["two", "one"]
    assert all(same(back[name], written[name]) for name in written)


def test_real_looking_numbers_are_written_with_float32_digits(file: Path) -> None:
    write_submission(file, {"a": found((0.8765432, 0.1, 0.2, 10.3, 20.4))})
    assert all(len(word) <= 11 for word in file.read_text().split(",")[-1].split())


def test_an_image_with_thousands_of_boxes_is_written_and_read(file: Path) -> None:
    before = csv.field_size_limit()
    boxes = np.random.default_rng(0).uniform(0, 500, (8_000, 2)).astype(np.float32)
    many = Detections(np.concatenate([boxes, boxes * np.float32(2.1)], axis=1), np.ones(8_000, dtype=np.float32))
    write_submission(file, {"dense": many})
    assert file.stat().st_size > before
    assert same(read_submission(file)["dense"], many)
    assert csv.field_size_limit() == before


def test_names_with_commas_quotes_and_other_letters_are_kept(file: Path) -> None:
    names = ["a,b", 'say "wheat"', "Ähre 1", "x" * 300]
    write_submission(file, {name: no_detections() for name in names})
    assert list(read_submission(file)) == names


def test_a_name_that_is_not_utf8_loses_no_row(file: Path) -> None:
    write_submission(file, {"S\udcfcd": no_detections(), "b": no_detections()})
    assert list(read_submission(file)) == ["S\\udcfcd", "b"]


def test_no_images_give_a_header_alone(file: Path) -> None:
    write_submission(file, {})
    assert file.read_text() == HEADER
    assert read_submission(file) == {}


def test_a_box_of_negative_size_is_not_written(file: Path) -> None:
    with pytest.raises(ValueError, match="image 'a' has a box with a negative size"):
        write_submission(file, {"a": found((0.9, 10, 10, 5, 20))})
    assert not file.exists()


def test_an_image_without_a_name_is_not_written(file: Path) -> None:
    with pytest.raises(ValueError, match="id of an image is empty"):
        write_submission(file, {" ": no_detections()})


def test_the_2021_form_has_whole_pixels_domains_and_no_box(file: Path) -> None:
    predictions = {"a": found((0.9, 1.4, 2.6, 9.5, 9.9), (0.8, 0, 0, 5, 5)), "b": no_detections()}
    write_gwhd_submission(file, predictions, {"a": "usask_1", "b": "Terraref_2"})
    assert file.read_text() == GWHD_HEADER + "a,1 3 10 10;0 0 5 5,usask_1\nb,no_box,Terraref_2\n"
    back = read_submission(file)
    assert back["a"].boxes.tolist() == [[1, 3, 10, 10], [0, 0, 5, 5]]
    assert back["a"].scores.tolist() == [1, 1]
    assert len(back["b"]) == 0


def test_the_2021_form_needs_a_domain_for_each_image(file: Path) -> None:
    with pytest.raises(ValueError, match=r"1 image\(s\) have no domain, first b"):
        write_gwhd_submission(file, {"a": no_detections(), "b": no_detections()}, {"a": "x"})


def test_domains_are_read_by_id_and_keep_the_names_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("image_name,BoxesString,domain\na.png,no_box,usask_1\nb,no_box,NAU_2\n")
    assert read_domains(tmp_path / "test.csv") == {"a": ListedImage("a.png", "usask_1"), "b": ListedImage("b", "NAU_2")}


@pytest.mark.parametrize("row", ["a,NAU_2", "a.jpg,NAU_2", "b,", ",NAU_2", "b,NAU_2,more"])
def test_domains_that_make_no_sense_are_told_by_their_row(tmp_path: Path, row: str) -> None:
    (tmp_path / "test.csv").write_text(f"image_name,domain\na,usask_1\n{row}\n")
    with pytest.raises(SubmissionError, match=r"test.csv: 1 bad row\(s\): .*row 3"):
        read_domains(tmp_path / "test.csv")


# Reading what others wrote.


@pytest.mark.parametrize(
    "text",
    [
        "PredictionString,image_id\n0.5 1 2 3 4,a\n",
        "\ufeffimage_id,PredictionString\r\na,0.5 1 2 3 4\r\n",
        HEADER + "\na,  0.5  1 2 3 4 \n\n",
        HEADER + '"a","0.5 1 2 3 4"\n',
        " image_id , PredictionString\n a ,5e-1 1. 2 3 4",
    ],
    ids=["columns swapped", "from a spreadsheet", "blank lines", "quoted", "spaces"],
)
def test_other_ways_of_writing_the_same_are_read(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="")
    back = read_submission(file)
    assert back["a"].boxes.tolist() == [[1, 2, 4, 6]]
    assert back["a"].scores.tolist() == [0.5]


def test_detections_come_highest_score_first_whatever_the_order_in_the_file(file: Path) -> None:
    file.write_text(HEADER + "a,0.2 1 1 1 1 0.9 2 2 2 2\n")
    assert read_submission(file)["a"].scores.tolist() == pytest.approx([0.9, 0.2])


BAD_ROWS = [
    ("a,0.5 1 2 3", "row 2: has 4 numbers, expected 5 for each box"),
    ("a,0.5 1 2 3 x", "row 2: 'x' is not a number"),
    ("a,0.5 1 2 3 nan", "row 2: a number is not finite"),
    ("a,0.5 1 2 3 inf", "row 2: a number is not finite"),
    ("a,0.5 1 2 3 1e300", "row 2: a number is not finite"),
    ("a,0.5 1 2 -3 4", "row 2: a width or height is -3, expected 0 or more"),
    ("a,1.5 1 2 3 4", "row 2: a score is 1.5, expected 0 to 1"),
    ("a,-0.5 1 2 3 4", "row 2: a score is -0.5, expected 0 to 1"),
    ("a,0.5,1,2,3,4", "row 2: has 6 fields, expected 2"),
    ("a", "row 2: has 1 fields, expected 2"),
    (",0.5 1 2 3 4", "row 2: the image has no name"),
    (",", "row 2: the image has no name"),
    ("a,\na,", "row 3: image 'a' was there before, expected each image once"),
]


@pytest.mark.parametrize(("rows", "message"), BAD_ROWS, ids=[message for _, message in BAD_ROWS])
def test_a_bad_row_is_an_error_that_names_file_and_row(file: Path, rows: str, message: str) -> None:
    file.write_text(f"{HEADER}{rows}\nfine,0.5 1 2 3 4\n")
    with pytest.raises(SubmissionError) as error:
        read_submission(file)
    assert str(error.value).startswith(f"{file}: 1 bad row(s): {message}")
    assert "mend" in str(error.value)


BAD_GWHD_ROWS = [
    ("a,1 2 3,x", "a box has not 4 numbers"),
    ("a,1 2 3 4;,x", "a box has not 4 numbers"),
    ("a,5 5 1 9,x", "a box has a negative width or height"),
    ("a,1 2 3 y,x", "'y' is not a number"),
    ("a,1 2 3 4", "has 2 fields, expected 3"),
]


@pytest.mark.parametrize(("row", "message"), BAD_GWHD_ROWS, ids=[row for row, _ in BAD_GWHD_ROWS])
def test_a_bad_row_of_the_2021_form_is_an_error(file: Path, row: str, message: str) -> None:
    file.write_text(f"{GWHD_HEADER}{row}\n")
    with pytest.raises(SubmissionError, match=f"row 2: {message}"):
        read_submission(file)


def test_all_bad_rows_are_counted_and_the_first_ones_listed(file: Path) -> None:
    file.write_text(HEADER + "".join(f"p{n},0.5\n" if n % 2 else f"p{n},\n" for n in range(20)))
    with pytest.raises(
        SubmissionError, match=r"10 bad row\(s\): row 3: .*; row 5: .*; row 11: .*; and 5 more"
    ) as error:
        read_submission(file)
    assert "row 13" not in str(error.value)


def write_nothing(file: Path) -> None:
    file.write_bytes(b"")


def write_blank_lines(file: Path) -> None:
    file.write_bytes(b"\n\n")


def write_latin(file: Path) -> None:
    file.write_bytes(HEADER.encode() + "Ähre,\n".encode("latin-1"))


def write_open_quote(file: Path) -> None:
    file.write_text(HEADER + '"a,0.5 1 2 3 4\n')


def write_other_columns(file: Path) -> None:
    file.write_text("image,boxes\na,\n")


def write_more_columns(file: Path) -> None:
    file.write_text("image_id,PredictionString,source\na,,x\n")


def write_picture(file: Path) -> None:
    file.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")


def write_folder(file: Path) -> None:
    file.mkdir()


def leave_missing(file: Path) -> None:
    """Write nothing at all."""


def test_names_of_2021_are_read_with_or_without_the_ending_of_the_photo(file: Path) -> None:
    file.write_text(GWHD_HEADER + "a.png,no_box,x\nb,no_box,x\nplot.3,no_box,x\n")
    assert list(read_submission(file)) == ["a", "b", "plot.3"]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_nothing, "is empty, expected a row image_id, PredictionString"),
        (write_blank_lines, "is empty"),
        (write_latin, "byte 26 is not UTF-8; save the file"),
        (write_open_quote, "is not CSV"),
        (write_other_columns, "columns are image, boxes, expected image_id, PredictionString or image_name"),
        (write_more_columns, "columns are image_id, PredictionString, source, expected"),
        (write_picture, "byte 0 is not UTF-8"),
        (write_folder, "cannot be read"),
        (leave_missing, "cannot be read .No such file or directory.; check the path"),
    ],
)
def test_a_file_that_is_no_submission_is_an_error_that_names_it(
    file: Path, write: Callable[[Path], None], message: str
) -> None:
    write(file)
    with pytest.raises(SubmissionError, match=f"{file}: {message}"):
        read_submission(file)


# Comparing with the labels.


def test_images_that_are_missing_or_not_labelled_are_problems() -> None:
    labels = tuple(LabelledImage(name, Path(name), 9, 9, no_boxes()) for name in "abcdefgh")
    assert check_submission({name: no_detections() for name in "hgfedcba"}, labels) == []
    lines = check_submission({name: no_detections() for name in "axy"}, labels)
    assert lines == [
        "7 labelled image(s) are missing: b, c, d, e, f, and 2 more; give each a row",
        "2 image(s) are not labelled: x, y; take their rows out",
    ]


def test_a_submission_replaces_a_submission_and_nothing_else(tmp_path: Path) -> None:
    write_submission(tmp_path / "sub.csv", {})
    (tmp_path / "empty.csv").touch()
    for name in ("sub.csv", "empty.csv", "new.csv"):
        require_place(tmp_path / name)
    (tmp_path / "train.csv").write_text("image_id,width,height,bbox,source\n")
    with pytest.raises(SubmissionError, match=r"train\.csv: is there, and no submission; name another file"):
        require_place(tmp_path / "train.csv")
