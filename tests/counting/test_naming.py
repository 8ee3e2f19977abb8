"""Which photo a row of a user's table means: by how much of its path, and when nobody knows."""

from pathlib import Path

import pytest

from spica.counting.naming import KnownPhotos, photos_meant
from spica.counting.tables import read_frames, read_plots

PHOTOS = ("Plot 1/IMG_1003.jpg", "Plot 2/IMG_1003.jpg", "Plot 2/IMG_1004.JPG", "top.png")


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("Plot 1/IMG_1003.jpg", "Plot 1/IMG_1003.jpg"),
        ("Plot 1/IMG_1003", "Plot 1/IMG_1003.jpg"),
        ("field/Plot 1/IMG_1003.jpg", "Plot 1/IMG_1003.jpg"),
        ("./field/Plot 1/IMG_1003", "Plot 1/IMG_1003.jpg"),
        ("field\\Plot 2\\IMG_1003.jpg", "Plot 2/IMG_1003.jpg"),
        ("/home/me/field/Plot 2/IMG_1004.JPG", "Plot 2/IMG_1004.JPG"),
        ("IMG_1004.JPG", "Plot 2/IMG_1004.JPG"),
        ("IMG_1004", "Plot 2/IMG_1004.JPG"),
        ("field/top.png", "top.png"),
    ],
)
def test_a_photo_is_named_by_more_or_less_of_its_path(name: str, photo: str) -> None:
    assert photos_meant([name], PHOTOS, "/home/me/field") == {name: (photo,)}


@pytest.mark.parametrize(
    "name",
    [
        *("Plot 3/IMG_1004.JPG", "t 1/IMG_1003.jpg", "1003.jpg", "op.png", "Plot 1", ""),
        *("other/Plot 1/IMG_1003.jpg", "Plot 2/top.png", "/mnt/me/field/top.png"),
    ],
)
def test_a_path_is_that_of_the_photo_folder_by_folder(name: str) -> None:
    assert photos_meant([name], PHOTOS, "/home/me/field") == {name: ()}


def test_the_whole_name_is_nearest() -> None:
    photos = ["a.jpg", "1/a.jpg", "b.jpg", "b.png"]
    assert photos_meant(["a.jpg", "a", "field/1/a.jpg", "field/b"], photos, "field") == {
        "a.jpg": ("a.jpg",),
        "a": ("a.jpg", "1/a.jpg"),
        "field/1/a.jpg": ("1/a.jpg",),
        "field/b": ("b.jpg", "b.png"),
    }


def test_rows_of_other_folders_are_not_of_the_one_that_is_counted() -> None:
    meant = photos_meant(["north/1.jpg", "south/1.jpg", "south/2.jpg"], ["1.jpg", "2.jpg"], "/home/me/trial/north")
    assert list(meant.values()) == [("1.jpg",), (), ()]


def test_a_table_says_why_a_row_names_no_photo(tmp_path: Path) -> None:
    photos = [f"{number}/a.jpg" for number in range(1, 8)] + ["b.jpg", "c.jpg"]
    table = tmp_path / "plots.csv"
    table.write_text("Image, PLOT\na.jpg,1\nz.jpg,2\n1/b.jpg,3\nfield/1/a.jpg,5\nd.jpg,6\n4/a.jpg,7\n")
    plots, problems = read_plots(table, KnownPhotos([*photos[:4], *photos[5:]], ["5/a.jpg", "day/d.jpg"], "field"))
    assert plots == {"1/a.jpg": "5", "4/a.jpg": "7"}
    assert [(problem.row, problem.text) for problem in problems] == [
        (2, "several photos have that name: 1/a.jpg, 2/a.jpg, 3/a.jpg, 4/a.jpg, 6/a.jpg, and 2 more"),
        (3, "there is no such photo"),
        (4, "there is no such photo"),
        (6, "the photo could not be counted, so its plot lacks it"),
    ]
    assert {problem.remedy for problem in problems[:-1]} == {"name it as in counts.csv; the row is left out"}


def test_the_corners_on_a_photo_that_failed_are_those_of_no_other(tmp_path: Path) -> None:
    table = tmp_path / "frames.csv"
    table.write_text("image,x1,y1,x2,y2,x3,y3,x4,y4\nday1/a.jpg,0,0,9,0,9,9,0,9\n")
    frames, problems = read_frames(table, KnownPhotos(["a.jpg"], ["day1/a.jpg"]), (1.0, 1.0))
    assert (frames, [problem.kind for problem in problems]) == ({}, ["failed photo"])


def test_names_with_a_comma_are_kept_in_tables_with_decimal_commas(tmp_path: Path) -> None:
    plots, frames = tmp_path / "plots.csv", tmp_path / "frames.csv"
    plots.write_text("image;x1\n1,5;2,5\n")
    assert read_plots(plots, KnownPhotos(["1,5.jpg", "1.5.jpg"]), column="x1") == ({"1,5.jpg": "2,5"}, ())
    frames.write_text("image;x1;y1;x2;y2;x3;y3;x4;y4\n1,5;0,5;0;9;0;9;9;0;9\n")
    found, problems = read_frames(frames, KnownPhotos(["1,5.jpg"]), (1.0, 1.0))
    assert (found["1,5.jpg"].corners[0].tolist(), problems) == ([0.5, 0], ())
