"""Reading a folder: which layout it is, what else is in it, and the real photos."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from spica.errors import AnnotationError
from spica.images import mark_drawn
from spica.labels.annotations import AnnotatedImage, Annotations, BoxRow
from spica.labels.folder import find_layout, is_photo_folder, read_labels
from spica.labels.labelled import Labels
from spica.labels.problems import Place, Problem

PutPhoto = Callable[..., Path]

ROW = 'a,1024,1024,"[10, 20, 50, 60]",f\n'


@pytest.fixture
def kaggle(tmp_path: Path, put_photo: PutPhoto) -> Path:
    put_photo(tmp_path / "train" / "a.jpg")
    (tmp_path / "train.csv").write_text("image_id,width,height,bbox,source\n" + ROW)
    return tmp_path


def test_the_layout_of_kaggle_may_have_a_test_folder_and_a_sample_submission(kaggle: Path, put_photo: PutPhoto) -> None:
    put_photo(kaggle / "test" / "t.jpg")
    (kaggle / "sample_submission.csv").write_text("image_id,PredictionString\nt,1.0 0 0 50 50\n")
    labels, problems = read_labels(kaggle)
    assert [image.id for image in labels] == ["a"]
    assert problems == []


def test_a_photo_without_a_row_is_a_photo_without_heads_and_is_reported(kaggle: Path, put_photo: PutPhoto) -> None:
    put_photo(kaggle / "train" / "b.jpg")
    labels, problems = read_labels(kaggle)
    assert [(image.id, image.heads, image.source) for image in labels] == [("a", 1, "f"), ("b", 0, "unknown")]
    assert [(problem.severity, problem.kind, problem.image) for problem in problems] == [("warning", "no labels", "b")]


def test_images_csv_names_sources_and_sessions_and_silences_the_warning(kaggle: Path, put_photo: PutPhoto) -> None:
    put_photo(kaggle / "train" / "b.jpg")
    (kaggle / "images.csv").write_text("image_id,source,gwhd_2021_domain\na,f,7\nb,g,\n")
    labels, problems = read_labels(kaggle)
    assert [(image.id, image.source, image.session) for image in labels] == [("a", "f", "7"), ("b", "g", "")]
    assert problems == []


def test_an_image_twice_in_images_csv_is_reported(kaggle: Path) -> None:
    (kaggle / "images.csv").write_text("image_id,source\na,f\na,g\n")
    labels, problems = read_labels(kaggle)
    assert [image.source for image in labels] == ["f"]
    assert [(problem.kind, problem.row) for problem in problems] == [("listed twice", 3)]


def test_a_photo_of_images_csv_that_is_gone_is_reported(kaggle: Path) -> None:
    (kaggle / "images.csv").write_text("image_id,source\na,f\nz,g\n")
    labels, problems = read_labels(kaggle)
    assert len(labels) == 1
    assert [(problem.kind, problem.row) for problem in problems] == [("missing photo", 3)]


def test_a_table_of_windows_reads_like_any_other(kaggle: Path) -> None:
    plain = (kaggle / "train.csv").read_text()
    (kaggle / "train.csv").write_bytes(b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode() + b"\r\n")
    labels, problems = read_labels(kaggle)
    assert labels[0].heads == 1
    assert problems == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"image_id,width,height,source\n",
            r"row 1: expected the columns .*bbox.*, got image_id, width, height, source",
        ),
        (b"image_id\twidth\theight\tbbox\tsource\n", "separate the columns by commas"),
        (b"", "got an empty line"),
        (b"image_id,width,height,bbox,source,source\n", "a column is there twice"),
        ("image_id,width,height,bbox,source\n".encode("utf-16"), "is UTF-16, expected UTF-8"),
    ],
)
def test_a_table_without_its_columns_is_refused(kaggle: Path, content: bytes, message: str) -> None:
    (kaggle / "train.csv").write_bytes(content)
    with pytest.raises(AnnotationError, match=message):
        read_labels(kaggle)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="is not there"):
        read_labels(tmp_path / "nowhere")


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"expected the layout of Kaggle \(train\.csv\)"):
        find_layout(tmp_path)


def test_a_folder_around_a_data_set_hints_at_it(kaggle: Path) -> None:
    inner = kaggle.rename(kaggle.with_name("inner-data"))
    (kaggle.with_name("outer")).mkdir()
    inner.rename(kaggle.with_name("outer") / "data")
    with pytest.raises(AnnotationError, match=r"did you mean .*outer/data\?"):
        find_layout(kaggle.with_name("outer"))


def test_two_layouts_in_one_folder_are_refused(kaggle: Path) -> None:
    (kaggle / "labels").mkdir()
    (kaggle / "images").mkdir()
    with pytest.raises(AnnotationError, match="got kaggle and yolo"):
        find_layout(kaggle)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [], "annotations": [}', r"labels\.json, row 1: is not JSON"),
        ('{"images": [], "annotations": {}}', 'expected a list "annotations"'),
        ('["images", "annotations"]', 'expected a list "images"'),
        ('{"images": [], "annotations": ' + "[" * 100_000, "is not JSON"),
    ],
)
def test_a_broken_json_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(AnnotationError, match=message):
        read_labels(tmp_path)


def test_coco_finds_photos_in_other_folders_by_name_and_takes_text_ids(tmp_path: Path, put_photo: PutPhoto) -> None:
    put_photo(tmp_path / "images" / "day 2" / "a.jpg")
    put_photo(tmp_path / "images" / "b.jpg")
    content = {
        "images": [{"id": "img-a", "file_name": "C:\\data\\a.jpg", "source": "f"}],
        "annotations": [
            {"image_id": "img-a", "category_id": 1, "bbox": [1, 2, 30, 40]},
            {"image_id": "img-a", "category_id": 2, "bbox": [100, 2, 30, 40]},
        ],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "x.json").write_text(json.dumps(content))
    labels, problems = read_labels(tmp_path)
    assert [(image.id, image.heads, image.source) for image in labels] == [("day 2/a", 2, "f")]
    assert [problem.kind for problem in problems] == ["no labels", "categories"]
    assert "(1, 2) are all taken as heads" in problems[1].line()


def test_several_tables_of_gwhd_are_read_together(tmp_path: Path, put_photo: PutPhoto) -> None:
    for part in ("train", "val", "test"):
        put_photo(tmp_path / "images" / f"{part}.png")
        row = f"{part}.png,1 2 30 40;,Arvalis_{len(part)}\n"
        (tmp_path / f"competition_{part}.csv").write_text("image_name,BoxesString,domain\n" + row)
    put_photo(tmp_path / "images" / "unlisted.png")
    labels, problems = read_labels(tmp_path)
    assert {image.id: image.source for image in labels} == {
        "train": "Arvalis_5",
        "val": "Arvalis_3",
        "test": "Arvalis_4",
    }
    assert [(problem.kind, problem.image) for problem in problems] == [("no labels", "unlisted")]


def test_yolo_reports_photos_without_a_file_and_several_classes(tmp_path: Path, put_photo: PutPhoto) -> None:
    put_photo(tmp_path / "images" / "train" / "a.jpg")
    put_photo(tmp_path / "images" / "b.jpg")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 .25 .25 .125 .125\n\n1 .75 .75 .125 .125\n")
    (tmp_path / "labels" / "z.txt").write_text("")
    (tmp_path / "labels" / "classes.txt").write_text("wheat head\n")
    labels, problems = read_labels(tmp_path)
    assert [(image.id, image.heads) for image in labels] == [("b", 0), ("train/a", 2)]
    assert [(problem.kind, problem.image) for problem in problems] == [
        ("no labels", "b"),
        ("categories", ""),
        ("missing photo", "z"),
    ]


def test_photos_of_yolo_may_lie_elsewhere_where_their_folder_is_named(tmp_path: Path, put_photo: PutPhoto) -> None:
    put_photo(tmp_path / "elsewhere" / "day" / "a.jpg")
    (tmp_path / "data" / "labels" / "day").mkdir(parents=True)
    (tmp_path / "data" / "labels" / "classes.txt").write_text("wheat head\n")
    with pytest.raises(AnnotationError, match="no labels"):
        read_labels(tmp_path / "data", photos=tmp_path / "elsewhere")
    (tmp_path / "data" / "labels" / "day" / "a.txt").write_text("0 .25 .25 .125 .125\n")
    labels, problems = read_labels(tmp_path / "data", photos=tmp_path / "elsewhere")
    assert [(image.id, image.heads) for image in labels] == [("day/a", 1)]
    assert problems == []
    with pytest.raises(AnnotationError, match="no labels"):
        read_labels(tmp_path / "data")


def test_yolo_follows_links_to_folders_of_labels_as_to_those_of_photos(tmp_path: Path, put_photo: PutPhoto) -> None:
    data, disk = tmp_path / "data", tmp_path / "disk"
    put_photo(disk / "photos" / "a.jpg")
    (disk / "texts").mkdir()
    (disk / "texts" / "a.TXT").write_text("0 .25 .25 .125 .125\n")
    (disk / "texts" / "up").symlink_to(disk)  # back up again
    for folder, own in (("images", "photos"), ("labels", "texts")):
        (data / folder).mkdir(parents=True)
        (data / folder / "day").symlink_to(disk / own)
    labels, problems = read_labels(data)
    assert [(image.id, image.heads) for image in labels] == [("day/a", 1)]
    assert problems == []


def test_a_table_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "labels" / "a.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(AnnotationError, match=r"a\.txt: cannot be read"):
        read_labels(tmp_path)


@pytest.mark.parametrize("content", [b"x" * 140_000 + b",y\n", "image_name,BoxesString".encode("utf-16"), b"\xfe\xff"])
def test_a_table_of_another_kind_beside_the_labels_does_no_harm(kaggle: Path, content: bytes) -> None:
    (kaggle / "odd.csv").write_bytes(content)
    labels, problems = read_labels(kaggle)
    assert (len(labels), problems) == (1, [])


def test_a_folder_whose_one_table_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "competition_train.csv").write_bytes("image_name,BoxesString,domain\n".encode("utf-16"))
    with pytest.raises(AnnotationError, match=r"no labels, .*competition_train\.csv: is UTF-16"):
        read_labels(tmp_path)


def test_the_photo_folder_of_a_data_set_is_known_by_the_labels_beside_it(kaggle: Path) -> None:
    (kaggle / "images").mkdir()
    (kaggle / "test").mkdir()
    known = [is_photo_folder(kaggle / name) for name in ("train", "images", "test")]
    assert known == [True, False, False]


def test_pictures_drawn_by_spica_are_not_among_the_photos(kaggle: Path, put_photo: PutPhoto) -> None:
    put_photo(kaggle / "train" / "out" / "pictures" / "a.jpg")
    mark_drawn(kaggle / "train" / "out" / "pictures")
    labels, problems = read_labels(kaggle)
    assert ([image.id for image in labels], problems) == (["a"], [])


def test_annotations_refuse_what_a_reader_must_not_build(tmp_path: Path) -> None:
    place = Place(tmp_path / "x.csv", 2)
    image = AnnotatedImage("a", tmp_path / "a.jpg", place)
    with pytest.raises(ValueError, match="listed twice"):
        Annotations(tmp_path, (image, image), ())
    with pytest.raises(ValueError, match="not listed"):
        Annotations(tmp_path, (image,), (BoxRow("b", (0.0, 0.0, 1.0, 1.0), place),))


def test_the_real_photos_are_all_read(real: tuple[Labels, list[Problem]]) -> None:
    labels, problems = real
    assert len(labels) == 1000
    assert sum(image.heads for image in labels) == 42_497
    assert sum(image.heads == 0 for image in labels) == 13
    assert Counter(problem.severity for problem in problems)["error"] == 0
    assert Counter(image.source for image in labels)["arvalis_1"] == 309
