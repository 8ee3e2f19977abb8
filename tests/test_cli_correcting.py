"""Facts about the way round: results to a tool, the corrected export back as labels."""

import csv
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from spica.cli import app
from spica.detections import Detections
from spica.image import Image
from spica.images import image_size, read_image, write_image
from spica.labels.folder import read_labels
from spica.prediction.card import Card
from spica.prediction.runtime import Facts


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class TwoHeads:
    """A detector that finds the same two heads on every photo."""

    name = "two.onnx"
    card = Card(threshold=0.3)
    facts: ClassVar[Facts] = {}
    workers = 1

    def __call__(self, photo: Image) -> Detections:
        rows = np.array([[2, 2, 12, 12], [20, 20, 30, 32]], dtype=np.float32)
        return Detections(rows, np.array([0.9, 0.4], dtype=np.float32))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a result folder of three photos, one of which lies deeper and one cannot be read."""
    for name in ("a.jpg", "day1/b.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "photos" / name, np.full((40, 60, 3), 90, dtype=np.uint8))
    (tmp_path / "photos" / "broken.jpg").write_text("no photo")
    monkeypatch.setattr("spica.loading.load_detector", lambda _weights, _device: TwoHeads())
    assert run("predict", tmp_path / "photos", "--out", tmp_path / "results", "--no-pictures").exit_code == 1
    return tmp_path / "results"


def test_counts_are_converted_by_the_results_below_them(results: Path, tmp_path: Path) -> None:
    assert run("count", tmp_path / "photos" / "a.jpg", "--out", tmp_path / "counts").exit_code == 0
    result = run("data", "convert", tmp_path / "counts", "--to", "cvat", "--out", tmp_path / "tasks")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {tmp_path / 'counts'}: holds counts; what they are of is in ")
    assert run("data", "convert", tmp_path / "counts" / "boxes", "--to", "cvat", "--out", tmp_path / "t").exit_code == 0


def test_results_go_to_label_studio_and_the_corrected_export_comes_back(results: Path, tmp_path: Path) -> None:
    result = run("data", "convert", results, "--to", "label-studio", "--out", tmp_path / "tasks")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("2 images, 4 boxes to be corrected in label-studio")
    tasks = json.loads((tmp_path / "tasks" / "tasks.json").read_text("utf-8"))
    for number, task in enumerate(tasks, 1):  # what a person does: submits, and deletes the last box of the first photo
        regions = task["predictions"][0]["result"]
        kept = regions[:1] if number == 1 else regions
        task |= {"id": number, "annotations": [{"id": number, "result": kept, "updated_at": "2026-03-01T10:00:00Z"}]}
    (tmp_path / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    result = run(
        *("data", "convert", tmp_path / "export.json", "--photos", tmp_path / "photos"),
        *("--to", "kaggle", "--out", tmp_path / "labels"),
    )
    assert result.exit_code == 0, result.stderr
    labels, problems = read_labels(tmp_path / "labels")
    assert [(image.id, image.heads) for image in labels] == [("a", 1), ("day1/b", 2)]
    assert problems == []


def test_results_go_to_cvat_and_come_back_as_they_are(results: Path, tmp_path: Path) -> None:
    assert run("data", "convert", results, "--to", "cvat", "--out", tmp_path / "tasks").exit_code == 0
    result = run("data", "convert", tmp_path / "tasks", "--to", "gwhd", "--out", tmp_path / "labels")
    assert result.exit_code == 0, result.stderr
    with (tmp_path / "labels" / "competition_train.csv").open(newline="") as stream:
        assert [row["BoxesString"] for row in csv.DictReader(stream)] == ["2 2 12 12;20 20 30 32"] * 2


@pytest.mark.parametrize("name", ['a,b;c "q".jpg', "08:30.jpg", "plot?.jpg"])
def test_a_photo_with_a_name_that_files_cannot_have_everywhere_is_left_out_alone(
    results: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "photos" / "a.jpg").rename(tmp_path / "photos" / name)
    assert run("predict", tmp_path / "photos", "--out", tmp_path / "odd", "--no-pictures").exit_code == 1
    for layout in ("label-studio", "cvat"):
        result = run("data", "convert", tmp_path / "odd", "--to", layout, "--out", tmp_path / layout)
        assert result.exit_code == 1
        assert result.stdout == f"1 images, 2 boxes to be corrected in {layout}: {tmp_path / layout}\n"
        first, last = result.stderr.splitlines()
        assert first.startswith(f"{tmp_path / 'photos' / name}: image id '{Path(name).stem}' has ")
        assert first.endswith(
            "which no name of a file has on every system; give the photo another name; it is left out"
        )
        assert last == "1 photo(s) left out because of their names, see above; rename them and predict again"
        assert [path.name for path in (tmp_path / layout).rglob("*.jpg")] == ["b.jpg"]
    (tmp_path / "photos" / "day1" / "b.jpg").unlink()
    run("predict", tmp_path / "photos", "--out", tmp_path / "all", "--no-pictures")
    result = run("data", "convert", tmp_path / "all", "--to", "cvat", "--out", tmp_path / "none")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"error: {tmp_path / 'all'}: no photo is left to be written\n")
    assert not (tmp_path / "none").exists()


def test_labels_of_a_photo_with_such_a_name_are_left_out_too(labelled: Path, tmp_path: Path) -> None:
    (labelled / "train" / "a.jpg").rename(labelled / "train" / "a:1.jpg")
    table = labelled / "train.csv"
    table.write_text(table.read_text().replace("\na,", "\na:1,"))
    result = run("data", "convert", labelled, "--to", "coco", "--out", tmp_path / "coco")
    assert (result.exit_code, result.stdout) == (1, f"1 images, 1 heads: {tmp_path / 'coco'}\n")
    assert "image id 'a:1' has : in it" in result.stderr
    assert "rename them, in the labels too" in result.stderr
    assert [image.id for image in read_labels(tmp_path / "coco")[0]] == ["b"]


def test_a_data_set_of_which_no_photo_is_left_is_not_written(labelled: Path, tmp_path: Path) -> None:
    run("data", "convert", labelled, "--to", "label-studio", "--out", tmp_path / "tasks")
    export = tmp_path / "export" / "lab3.json"
    export.parent.mkdir()
    (tmp_path / "tasks" / "tasks.json").rename(export)
    asked = ("data", "convert", export, "--to", "kaggle", "--out", tmp_path / "out")
    result = run(*asked)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {export}: no photo is left, 2 are missing, first images/a; name the folder of the photos by --photos\n"
    )
    for task in (tasks := json.loads(export.read_text("utf-8"))):
        task["annotations"] = []
    export.write_text(json.dumps(tasks), encoding="utf-8")
    result = run(*asked, "--photos", tmp_path / "tasks" / "images")
    assert result.exit_code == 1
    assert result.stderr.endswith(
        f"{export}: has no labelled photo, expected one at least; see `spica data check {export}`\n"
    )
    table = labelled / "train.csv"
    table.write_text(table.read_text().replace("[2,", "[x,"))
    result = run("data", "convert", labelled, "--to", "coco", "--out", tmp_path / "out")
    assert result.stderr.endswith(
        f"{labelled}: 4 errors leave no photo, expected one at least; see `spica data check {labelled}`\n"
    )
    assert not (tmp_path / "out").exists()


def test_results_are_no_labels(results: Path, tmp_path: Path) -> None:
    result = run("data", "convert", results, "--to", "kaggle", "--out", tmp_path / "labels")
    assert result.exit_code == 1
    assert "what was found is no label" in result.stderr
    assert not (tmp_path / "labels").exists()


def test_photos_that_were_moved_are_found_in_the_folder_named(results: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    asked = ("data", "convert", results, "--to", "cvat", "--out", tmp_path / "tasks")
    assert run(*asked).exit_code == 1
    assert run(*asked, "--photos", tmp_path / "elsewhere").exit_code == 0
    (tmp_path / "elsewhere" / "a.jpg").unlink()
    result = run(
        "data", "convert", results, "--to", "cvat", "--out", tmp_path / "2", "--photos", tmp_path / "elsewhere"
    )
    assert "1 photo(s) of the results are gone, first a.jpg; name their folder by --photos" in result.stderr


def test_what_was_found_on_one_photo_is_never_put_on_another(results: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "day2").mkdir(parents=True)
    (tmp_path / "photos" / "a.jpg").rename(tmp_path / "other" / "a.png")
    (tmp_path / "photos" / "day1" / "b.jpg").rename(tmp_path / "other" / "day2" / "b.jpg")
    asked = (results, "--photos", tmp_path / "other", "--out", tmp_path / "out")
    for command in (("data", "convert", "--to", "cvat"), ("pseudo-label", "--flagged", "--keep", 0.5, "--ignore", 0.3)):
        result = run(*command, *asked)
        assert result.exit_code == 1
        assert "2 photo(s) of the results are gone, first a.jpg; name their folder by --photos" in result.stderr
        assert not (tmp_path / "out").exists()


def test_a_photo_that_has_changed_since_is_refused(results: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "photos" / "a.jpg", np.full((50, 60, 3), 90, dtype=np.uint8))
    result = run("data", "convert", results, "--to", "cvat", "--out", tmp_path / "tasks")
    assert "a.jpg: is no longer 60 x 40, as predicted; predict it again" in result.stderr


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("manifest.json", None, "no labels, expected the layout of"),
        ("manifest.json", "[", "is missing or damaged"),
        (
            "detections.csv",
            "image,left,top,right,bottom,score\na.jpg,1,2,3,x,1\n",
            "is not what spica predict wrote (could not convert",
        ),
        ("counts.csv", "image,width,height\na.jpg,1\n", "2 fields, expected 3"),
    ],
)
def test_a_result_folder_that_is_not_whole_is_refused(
    results: Path, tmp_path: Path, file: str, content: str | None, message: str
) -> None:
    (results / file).unlink()
    if content is not None:
        (results / file).write_text(content)
    result = run("data", "convert", results, "--to", "cvat", "--out", tmp_path / "tasks")
    assert result.exit_code == 1
    assert message in result.stderr


def test_the_check_says_what_will_be_left_out_of_an_export(results: Path, tmp_path: Path) -> None:
    run("data", "convert", results, "--to", "label-studio", "--out", tmp_path / "tasks")
    result = run("data", "check", tmp_path / "tasks")
    assert result.exit_code == 0
    assert result.stdout.count("is not annotated, so the photo is not used") == 2


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return two labelled photos; the detector finds a second head on both."""
    folder = tmp_path / "labelled"
    for name in ("a", "b"):
        (folder / "train").mkdir(parents=True, exist_ok=True)
        write_image(folder / "train" / f"{name}.jpg", np.full((60, 60, 3), 90, dtype=np.uint8))
    rows = "".join(f'{name},60,60,"[2, 2, 10, 10]",field\n' for name in ("a", "b"))
    (folder / "train.csv").write_text("image_id,width,height,bbox,source\n" + rows)
    monkeypatch.setattr("spica.loading.load_detector", lambda _weights, _device: TwoHeads())
    return folder


def test_suspects_are_a_page_and_two_tables(labelled: Path, tmp_path: Path) -> None:
    result = run("data", "suspects", labelled, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("2 suspects on 2 photos, 2 photos ordered")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["suspects.csv", "suspects.html", "worth.csv"]
    with (tmp_path / "out" / "suspects.csv").open(newline="") as stream:
        assert [(row["image"], row["kind"]) for row in csv.DictReader(stream)] == [
            ("a", "not labelled"),
            ("b", "not labelled"),
        ]


def test_suspects_by_a_file_of_predictions_and_photos_without_labels(labelled: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    for name, grey in (("north/c.jpg", 120), ("a.jpg", 90)):
        (more / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(more / name, np.full((60, 60, 3), grey, dtype=np.uint8))
    file = tmp_path / "submission.csv"
    file.write_text("image_id,PredictionString\na,0.9 2 2 10 10\nb,\nnorth/c,0.4 2 2 10 10\n")
    asked = ("data", "suspects", labelled, "--submission", file, "--out", tmp_path / "out")
    result = run(*asked, "--unlabelled", more)
    assert result.exit_code == 0, result.stderr
    assert "1 photo(s) are labelled and not among those to be labelled" in result.stderr
    assert result.stdout.startswith("1 suspects on 2 photos, 1 photos ordered")
    with (tmp_path / "out" / "worth.csv").open(newline="") as stream:
        assert [(row["image"], row["source"]) for row in csv.DictReader(stream)] == [("north/c", "north")]
    file.write_text("image_id,PredictionString\na,\n")
    assert "1 image(s) are missing, first b; add them" in run(*asked).stderr
    assert run(*asked, "--weights", "x").exit_code == 2


def put_grey(photo: Path, grey: int) -> Path:
    photo.parent.mkdir(parents=True, exist_ok=True)
    write_image(photo, np.full((60, 60, 3), grey, dtype=np.uint8))
    return photo


def test_photos_without_labels_are_told_by_their_content_and_not_by_their_names(labelled: Path, tmp_path: Path) -> None:
    put_grey(tmp_path / "more" / "a.jpg", 120)  # another photo than the labelled one of that name
    (tmp_path / "more" / "copy.jpg").write_bytes((labelled / "train" / "b.jpg").read_bytes())
    asked = ("data", "suspects", labelled, "--out", tmp_path / "out", "--unlabelled", tmp_path / "more")
    result = run(*asked)
    assert result.exit_code == 0, result.stderr
    assert "1 photo(s) are labelled and not among those to be labelled" in result.stderr
    assert result.stdout.startswith("2 suspects on 2 photos, 1 photos ordered")
    with (tmp_path / "out" / "worth.csv").open(newline="") as stream:
        assert [row["image"] for row in csv.DictReader(stream)] == ["a"]
    (tmp_path / "s.csv").write_text("image_id,PredictionString\na,0.9 2 2 10 10\nb,\n")
    result = run(*asked, "--submission", tmp_path / "s.csv")
    assert result.exit_code == 1
    assert "a labelled photo and another one have the id a; rename the other one" in result.stderr


def test_photos_that_are_cut_off_are_told_and_left_out_of_suspects(labelled: Path, tmp_path: Path) -> None:
    more = [put_grey(tmp_path / "more" / f"{name}.jpg", grey) for name, grey in (("c", 120), ("d", 60))]
    for seed, photo in enumerate((labelled / "train" / "b.jpg", more[1])):
        noise = np.random.default_rng(seed).integers(0, 256, read_image(photo).shape, dtype=np.uint8)
        write_image(photo, noise)
        photo.write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
        assert image_size(photo)  # the header is whole
    result = run("data", "suspects", labelled, "--out", tmp_path / "out", "--unlabelled", tmp_path / "more")
    assert result.exit_code == 0, result.stderr
    assert f"{more[1]}: cannot be decoded" in result.stderr
    assert "b.jpg: cannot be decoded" in result.stderr
    assert " on 1 photos, 1 photos ordered" in result.stdout
    with (tmp_path / "out" / "worth.csv").open(newline="") as stream:
        assert [row["image"] for row in csv.DictReader(stream)] == ["c"]


def test_photos_that_are_all_labelled_are_not_ordered_in_place_of_others(labelled: Path, tmp_path: Path) -> None:
    result = run("data", "suspects", labelled, "--out", tmp_path / "out", "--unlabelled", labelled / "train")
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: {labelled}/train: all photos there are labelled, expected some without labels; name another folder\n"
    )
    assert not (tmp_path / "out").exists()


def test_two_photos_without_labels_and_with_one_id_are_refused(labelled: Path, tmp_path: Path) -> None:
    for name, grey in (("c.jpg", 120), ("c.png", 60)):
        put_grey(tmp_path / "more" / name, grey)
    result = run("data", "suspects", labelled, "--out", tmp_path / "out", "--unlabelled", tmp_path / "more")
    assert result.exit_code == 1
    assert "two photos have the id c, expected one; delete or rename one of them" in result.stderr


def test_suspects_replace_earlier_ones(labelled: Path, tmp_path: Path) -> None:
    for _ in range(2):
        result = run("data", "suspects", labelled, "--out", tmp_path / "out")
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("worth.csv", "field,wheat price\nnorth,210\n"),
        ("suspects.csv", "name,reason\nbob,late\n"),
        ("suspects.html", "<title>Suspects: who ate the wheat</title>"),
    ],
)
def test_suspects_overwrite_no_file_of_the_user(labelled: Path, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / name).write_text(content)
    result = run("data", "suspects", labelled, "--out", tmp_path / "own")
    assert result.exit_code == 1
    assert f"own: holds {name}, which spica data suspects did not write; name another folder" in result.stderr
    assert [(file.name, file.read_text()) for file in (tmp_path / "own").iterdir()] == [(name, content)]


def test_suspects_need_labels(labelled: Path, tmp_path: Path) -> None:
    for photo in (labelled / "train").iterdir():
        photo.unlink()
    result = run("data", "suspects", labelled, "--out", tmp_path / "out")
    assert "no labelled image is left to look at" in result.stderr


def test_suspects_explain_themselves_without_python_words() -> None:
    result = run("data", "suspects", "--help")
    assert result.exit_code == 0
    assert "Raises" not in result.stdout
