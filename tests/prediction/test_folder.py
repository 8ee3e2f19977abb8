"""Facts about result folders."""

import csv
import json
import re
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spica.detections import Detections, no_detections
from spica.errors import ImageError, OutputError, SubmissionError, WeightsError
from spica.image import Image
from spica.images import DRAWN_SIGN, image_size, write_image
from spica.prediction.folder import Order, open_journal, predict_folder, predict_photos
from spica.prediction.runtime import Facts

PLAIN = "blur not_wheat"  # the flags of a photo of one colour


def two_heads(photo: Image) -> Detections:
    """Find one head for certain and one with a score of 0.3; the brighter the photo, the further right."""
    left = float(photo[0, 0, 0])
    rows = [[left, 1, left + 3.125, 5], [4, 4, 8, 8]]
    return Detections(np.array(rows, dtype=np.float32), np.array([0.9, 0.3], dtype=np.float32))


def grow(folder: Path, **brightness: int) -> Path:
    """Write one plain photo for each name; "__" is a slash."""
    for name, value in brightness.items():
        path = folder / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.full((20, 30, 3), value, dtype=np.uint8))
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_result_folder_holds_counts_boxes_pictures_and_a_manifest(tmp_path: Path) -> None:
    photos, out = grow(tmp_path / "photos", a=10, b=20), tmp_path / "deep" / "out"
    summary = predict_folder(two_heads, Order([photos], out, 0.5, model="two heads"))
    assert names(out) == ["counts.csv", "detections.csv", "manifest.json", "pictures"]
    assert rows(out / "counts.csv") == [
        {"image": "a.png", "heads": "1", "width": "30", "height": "20", "flags": PLAIN},
        {"image": "b.png", "heads": "1", "width": "30", "height": "20", "flags": PLAIN},
    ]
    assert (out / "detections.csv").read_text().splitlines() == [
        "image,left,top,right,bottom,score",
        "a.png,10.00,1.00,13.12,5.00,0.90000",
        "b.png,20.00,1.00,23.12,5.00,0.90000",
    ]
    assert names(out / "pictures") == [DRAWN_SIGN, "a.png.jpg", "b.png.jpg"]
    assert image_size(out / "pictures" / "a.png.jpg") == (30, 20)
    assert (summary.photos, summary.counted, summary.failed, summary.heads) == (2, 2, 0, 2)


def test_the_manifest_says_how_the_results_were_made(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10)
    predict_folder(two_heads, Order([photos], tmp_path / "out", 0.25, model="two heads"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["model"] == "two heads"
    assert manifest["score"] == 0.25
    assert manifest["inputs"] == ["../photos"]  # from the results on, wherever the command was given
    assert (manifest["photos"], manifest["failed"], manifest["heads"]) == (1, 0, 2)
    assert {"spica", "python", "numpy", "pillow", "simplejpeg"} <= set(manifest["versions"])


def test_the_manifest_says_what_ran_the_detector_and_how_often_each_flag_was_raised(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10, b=20)
    facts: Facts = {"runtime": "pencil 2", "precision": "f32"}
    summary = predict_folder(two_heads, Order([photos], tmp_path / "out", 0.25, facts=facts))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["runtime"], manifest["precision"]) == ("pencil 2", "f32")
    assert manifest["flagged"] == summary.flagged == {"blur": 2, "not_wheat": 2}


def test_the_score_decides_what_is_counted(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10)
    heads = [predict_folder(two_heads, Order([photos], tmp_path / f"{s}", s)).heads for s in (0.0, 0.3, 0.31, 0.95)]
    assert heads == [2, 2, 1, 0]


def test_a_photo_without_heads_has_a_count_of_zero(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10)
    predict_folder(lambda _: no_detections(), Order([photos], tmp_path / "out", 0.5))
    assert rows(tmp_path / "out" / "counts.csv")[0]["heads"] == "0"
    assert rows(tmp_path / "out" / "detections.csv") == []


def test_a_bad_photo_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10, c=20)
    (photos / "b.jpg").write_bytes(b"no photo")
    summary = predict_folder(two_heads, Order([photos], tmp_path / "out", 0.5))
    assert (summary.photos, summary.failed, summary.heads) == (3, 1, 2)
    assert [row["image"] for row in rows(tmp_path / "out" / "counts.csv")] == ["a.png", "c.png"]
    (problem,) = rows(tmp_path / "out" / "errors.csv")
    assert problem["image"] == "b.jpg"
    assert "begins with" in problem["error"]


def test_a_photo_whose_picture_cannot_be_drawn_is_counted_and_listed(tmp_path: Path) -> None:
    photos, submission = grow(tmp_path / "photos", a=10, c=20), tmp_path / "s.csv"
    write_image(photos / "b.png", np.zeros((10, 66_000, 3), dtype=np.uint8))  # a JPEG has at most 65,500
    summary = predict_folder(two_heads, Order([photos], tmp_path / "out", 0.5, submission=submission))
    assert (summary.photos, summary.counted, summary.failed, summary.heads) == (3, 3, 1, 3)
    assert [row["image"] for row in rows(tmp_path / "out" / "counts.csv")] == ["a.png", "b.png", "c.png"]
    (problem,) = rows(tmp_path / "out" / "errors.csv")
    assert problem["image"] == "b.png"
    assert problem["error"].startswith("counted, but there is no picture: ")
    assert names(tmp_path / "out" / "pictures") == [DRAWN_SIGN, "a.png.jpg", "c.png.jpg"]
    assert len(rows(submission)) == 3


def test_pictures_of_earlier_results_are_no_photos(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10)
    predict_folder(two_heads, Order([photos], photos / "out1", 0.5))
    (photos / "out1" / "manifest.json").unlink()  # as if the run had been stopped
    summary = predict_folder(two_heads, Order([photos], photos / "out2", 0.5))
    assert (summary.photos, summary.skipped) == (1, (photos / "out1" / "pictures",))


def test_files_in_formats_that_are_not_read_are_told_but_not_raw_ones_beside_their_jpeg(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10)
    for name in ("a.DNG", "b.HEIC", "notes.txt"):
        (photos / name).write_bytes(b"x")
    summary = predict_folder(two_heads, Order([photos], tmp_path / "out", 0.25))
    assert (summary.photos, summary.failed, summary.unread) == (1, 0, (photos / "b.HEIC",))


def test_photos_that_reach_the_cap_are_flagged(tmp_path: Path) -> None:
    def more_when_bright(photo: Image) -> Detections:
        return replace(two_heads(photo), capped=bool(photo[0, 0, 0] > 15))

    photos = grow(tmp_path / "photos", a=10, b=20)
    summary = predict_folder(more_when_bright, Order([photos], tmp_path / "out", 0.5))
    assert [row["flags"] for row in rows(tmp_path / "out" / "counts.csv")] == [PLAIN, f"cap {PLAIN}"]
    assert summary.flagged["cap"] == 1


def test_a_detector_that_fails_on_one_photo_does_not_stop_the_others(tmp_path: Path) -> None:
    def moody(photo: Image) -> Detections:
        if photo[0, 0, 0] == 20:
            raise WeightsError("numbers are\nnot finite")
        return two_heads(photo)

    photos = grow(tmp_path / "photos", a=10, b=20, c=30)
    predict_folder(moody, Order([photos], tmp_path / "out", 0.5))
    assert rows(tmp_path / "out" / "errors.csv") == [{"image": "b.png", "error": "numbers are not finite"}]
    assert len(rows(tmp_path / "out" / "counts.csv")) == 2


def test_a_bug_in_a_detector_is_not_taken_for_a_bad_photo(tmp_path: Path) -> None:
    def broken(_: Image) -> Detections:
        raise IndexError("bug")

    order = Order([grow(tmp_path / "photos", a=10)], tmp_path / "out", 0.5)
    with pytest.raises(IndexError, match="bug"):
        predict_folder(broken, order)


def test_photos_of_one_name_in_two_folders_stay_apart(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", x__a=10, y__a=20)
    predict_folder(two_heads, Order([photos], tmp_path / "out", 0.5))
    assert [row["image"] for row in rows(tmp_path / "out" / "detections.csv")] == ["x/a.png", "y/a.png"]
    assert (tmp_path / "out" / "pictures" / "x" / "a.png.jpg").is_file()
    assert (tmp_path / "out" / "pictures" / "y" / "a.png.jpg").is_file()


def test_pictures_can_be_left_out(tmp_path: Path) -> None:
    predict_folder(two_heads, Order([grow(tmp_path / "photos", a=10)], tmp_path / "out", 0.5, pictures=False))
    assert names(tmp_path / "out") == ["counts.csv", "detections.csv", "manifest.json"]


def test_older_results_are_never_overwritten(tmp_path: Path) -> None:
    order = Order([grow(tmp_path / "photos", a=10)], tmp_path / "out", 0.5)
    predict_folder(two_heads, order)
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    with pytest.raises(OutputError, match=r"counts\.csv.* already"):
        predict_folder(two_heads, order)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before


def test_progress_is_told_for_each_photo_in_order(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    order = Order([grow(tmp_path / "photos", b=20, a=10)], tmp_path / "out", 0.5)
    predict_folder(two_heads, order, told=lambda outcome, done, photos: told.append((outcome.name, done, photos)))
    assert told == [("a.png", 1, 2), ("b.png", 2, 2)]


def test_a_submission_holds_the_found_boxes_by_the_id_of_the_photo(tmp_path: Path) -> None:
    photos, submission = grow(tmp_path / "photos", a=10, x__b=20), tmp_path / "submission.csv"
    predict_folder(two_heads, Order([photos], tmp_path / "out", 0.2, submission=submission))
    first, second = rows(submission)
    assert [first["image_id"], second["image_id"]] == ["a", "x/b"]
    numbers = [float(number) for number in first["PredictionString"].split()]
    assert numbers == pytest.approx([0.9, 10, 1, 3.125, 4, 0.3, 4, 4, 4, 4])


def test_equal_ids_in_a_submission_are_an_error_before_any_work(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10)
    write_image(photos / "a.jpg", np.zeros((5, 5, 3), dtype=np.uint8))
    order = Order([photos], tmp_path / "out", 0.5, submission=tmp_path / "submission.csv")
    with pytest.raises(SubmissionError, match="id a,"):
        predict_folder(two_heads, order)
    assert not (tmp_path / "out").exists()


def test_a_submission_in_a_missing_folder_is_an_error_before_any_work(tmp_path: Path) -> None:
    order = Order([grow(tmp_path / "p", a=1)], tmp_path / "out", 0.5, submission=tmp_path / "gone" / "s.csv")
    with pytest.raises(OutputError, match="gone is not a folder"):
        predict_folder(lambda _: pytest.fail("worked"), order)


@pytest.mark.parametrize("name", ["counts.csv", "manifest.json", "../out/detections.csv", "heads.geojson"])
def test_a_submission_does_not_take_the_place_of_a_result(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    order = Order([grow(tmp_path / "p", a=1)], tmp_path / "out", 0.5, submission=tmp_path / "out" / name)
    with pytest.raises(SubmissionError, match="the results themselves have a file of that name; name another file"):
        predict_folder(lambda _: pytest.fail("worked"), order)
    assert names(tmp_path / "out") == []
    predict_folder(two_heads, replace(order, submission=tmp_path / "out" / "mine.csv"))
    assert len(rows(tmp_path / "out" / "mine.csv")) == 1


def test_layers_that_were_corrected_are_not_written_over(tmp_path: Path) -> None:
    photos, out = grow(tmp_path / "photos", a=10), tmp_path / "out"
    for name in ("heads.gpkg", "heads.geojson"):
        out.mkdir()
        (out / name).write_bytes(b"corrected")
        with pytest.raises(OutputError, match=rf"out: holds {re.escape(name)} already; name another folder"):
            open_journal(Order([photos], out, 0.5))
        assert names(out) == [name]
        shutil.rmtree(out)


def test_pictures_that_would_overwrite_each_other_are_an_error(tmp_path: Path) -> None:
    photos = grow(tmp_path / "photos", a=10)
    write_image(photos / "a.png.jpg", np.zeros((5, 5, 3), dtype=np.uint8))
    with pytest.raises(OutputError, match="rename"):
        predict_folder(two_heads, Order([photos], tmp_path / "out", 0.5))


def test_no_photos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no photo"):
        predict_folder(two_heads, Order([tmp_path / "empty"], tmp_path / "out", 0.5))


def test_a_file_in_the_place_of_the_result_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="cannot be made"):
        predict_folder(two_heads, Order([grow(tmp_path / "photos", a=10)], tmp_path / "out", 0.5))
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_outside_its_range_is_misuse(score: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="score"):
        Order([tmp_path], tmp_path / "out", score)


def test_no_worker_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers"):
        Order([tmp_path], tmp_path / "out", 0.5, workers=0)


def test_odd_file_names_are_written_and_quoted(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ('comma, "quote".png', "Ähre 麦.png", "line\nbreak.png"):
        write_image(photos / name, np.zeros((5, 5, 3), dtype=np.uint8))
    predict_folder(two_heads, Order([photos], tmp_path / "out", 0.5))
    assert {row["image"] for row in rows(tmp_path / "out" / "counts.csv")} == {path.name for path in photos.iterdir()}


def test_memory_does_not_grow_with_the_number_of_boxes(tmp_path: Path) -> None:
    many = np.tile(np.array([[1, 1, 9, 9]], dtype=np.float32), (2000, 1))
    scores = np.full(2000, 0.9, dtype=np.float32)

    def peak(photos: int) -> int:
        folder = grow(tmp_path / f"photos {photos}", **{f"p{number}": 10 for number in range(photos)})
        order = Order([folder], tmp_path / f"out {photos}", 0.5, pictures=False)
        tracemalloc.start()
        predict_folder(lambda _: Detections(many, scores), order)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(2)  # imports and caches
    assert peak(24) < 1.2 * peak(8)


def test_photos_can_be_predicted_without_a_folder(tmp_path: Path) -> None:
    photos = grow(tmp_path, a=10)
    order = Order([], tmp_path / "out", 0.5, pictures=False)
    outcomes = list(predict_photos(two_heads, {"good": photos / "a.png", "bad": photos / "gone.png"}, order))
    assert [len(outcome.found) if outcome.found else None for outcome in outcomes] == [1, None]
    assert "no such file" in outcomes[1].error
    assert not (tmp_path / "out").exists()
