"""CSV files of labels: which column a name means, and which fields are numbers."""

from pathlib import Path

import pytest

from spica.errors import AnnotationError
from spica.labels.folds import read_folds
from spica.labels.imagetable import read_origins
from spica.labels.kaggle import read as read_kaggle
from spica.labels.table import read_table

ROW = {"image": "1,5", "plot": "2,5", "x1": "0.5"}


def put(folder: Path, text: str) -> Path:
    file = folder / "table.csv"
    file.write_text(text)
    return file


def test_a_decimal_comma_becomes_a_point_in_columns_of_numbers_alone(tmp_path: Path) -> None:
    file = put(tmp_path, "image;plot;x1\n1,5;2,5;0,5\n-1,5;-2,5;-0,5\n")
    first, second = (
        dict(row) for _, row in read_table(file, ("image", "plot"), numbers=("x1",), optional=("x1",)).rows
    )
    assert first == ROW
    assert second == {"image": "-1,5", "plot": "-2,5", "x1": "-0.5"}


def test_between_commas_a_comma_in_a_number_stays_for_it_may_part_thousands(tmp_path: Path) -> None:
    ((_, row),) = read_table(put(tmp_path, 'image,x1\na,"1,500"\n'), ("image", "x1"), numbers=("x1",)).rows
    assert row["x1"] == "1,500"


def test_names_with_a_comma_are_kept_and_numbers_are_read_by_every_reader(tmp_path: Path) -> None:
    assert read_folds(put(tmp_path, "image_id;fold\n1,5;1,0\n1.5;1\n")) == [("1,5", "1.5")]
    (tmp_path / "images.csv").write_text("image_id;source;Session\n1,5;2,5;3,5\n")
    origins, _ = read_origins(tmp_path)
    assert [(name, one.source, one.session) for name, one in origins.items()] == [("1,5", "2,5", "3,5")]
    (tmp_path / "train.csv").write_text("image_id;width;height;bbox;source\n1,5;64,0;64;[1.5, 2, 9, 9];2,5\n")
    annotations = read_kaggle(tmp_path)
    assert [(image.id, image.width, image.source) for image in annotations.images] == [("1,5", 64, "2,5")]
    assert annotations.rows[0].edges == (1.5, 2, 10.5, 11)


@pytest.mark.parametrize("header", ["Image,Plot", " IMAGE , plot ", "plot of,image,Plot", "Plot,Image,image"])
def test_columns_are_known_whatever_the_case_of_their_letters(tmp_path: Path, header: str) -> None:
    values = {"image": "a", "Image": "b" if "image" in header else "a", "IMAGE": "a", "plot": "1", "Plot": "1"}
    line = ",".join(values.get(name.strip(), "z") for name in header.split(","))
    ((_, row),) = read_table(put(tmp_path, f"{header}\n{line}\n"), ("image", "plot")).rows
    assert (row["image"], row["plot"]) == ("a", "1")


def test_a_column_asked_for_in_other_letters_is_known(tmp_path: Path) -> None:
    ((_, row),) = read_table(put(tmp_path, "image,Parcel\na,7\n"), ("image", "parcel")).rows
    assert row["parcel"] == "7"


def test_two_columns_that_differ_in_case_alone_are_refused_if_they_are_asked_for(tmp_path: Path) -> None:
    file = put(tmp_path, "image,Plot,PLOT\na,1,2\n")
    with pytest.raises(AnnotationError, match=r"row 1: a column is there twice \(image, Plot, PLOT\); delete one"):
        read_table(file, ("image", "plot"))
    assert len(read_table(file, ("image",)).rows) == 1
