"""Facts about `spica count`: from results, or photos, to heads per photo, plot and square metre."""

import csv
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from painted_frames import paint_frame
from painted_rasters import write_raster
from spica.cli import app
from spica.counting.intervals import CountModel, counted
from spica.detections import Detections
from spica.drawing import FOUND
from spica.errors import SubmissionError
from spica.image import Image
from spica.images import read_image, resized, write_image
from spica.labels.fields import render_field
from spica.labels.folder import read_labels
from spica.prediction.card import Card
from spica.prediction.folder import Order, predict_folder
from spica.prediction.reading import paths_of, read_results
from spica.prediction.runtime import Facts

MODEL = CountModel(correction=1.1, between=0.05, within=0.5, reach_90=1.7, reach_95=2.2)
CARD = Card(threshold=0.5, counts=MODEL)
SIZED = replace(CARD, side=128, head_sides=(20.0, 160.0))  # for a raster: heads of 40 pixels at 0.5 mm
WIDTH, HEIGHT = 400, 200
AREA = (WIDTH + 2 * 1.6) * (HEIGHT + 2 * 1.6) * 0.002**2  # at 2 mm a pixel; heads of 8 pixels reach 1.6 beyond


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_many_as_bright(photo: Image) -> Detections:
    """Find as many heads in a row as the photo is bright, 10 pixels apart."""
    left = 10.0 * np.arange(int(photo[0, 0, 0]), dtype=np.float32)
    boxes = np.stack([left, 0 * left + 90, left + 8, 0 * left + 98], axis=1)
    return Detections(boxes, np.full(len(left), 0.9, dtype=np.float32))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return results on three photos of 400 x 200 pixels with 10, 20 and no heads."""
    for name, heads in (("north/a", 10), ("north/b", 20), ("south/c", 0)):
        file = tmp_path / "photos" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_image(file, np.full((HEIGHT, WIDTH, 3), heads, dtype=np.uint8))
    predict_folder(as_many_as_bright, Order([tmp_path / "photos"], tmp_path / "results", 0.5, card=CARD))
    return tmp_path / "results"


def test_a_count_has_heads_density_and_limits_for_each_photo(results: Path, tmp_path: Path) -> None:
    result = run("count", results, "--out", tmp_path / "out", "--gsd", 2)
    assert result.exit_code == 0, result.output
    first, _, last = rows(tmp_path / "out" / "counts.csv")
    estimate = counted(MODEL, 10)
    assert first == {
        "plot": "",
        "image": "north/a.png",
        "found": "10",
        "heads": "11.0",
        "low": f"{estimate.low:.1f}",
        "high": f"{estimate.high:.1f}",
        "area_m2": f"{AREA:.4f}",
        "density": f"{11 / AREA:.1f}",
        "density_low": f"{estimate.low / AREA:.1f}",
        "density_high": f"{estimate.high / AREA:.1f}",
        "flags": "blur not_wheat",
    }
    assert (last["found"], last["heads"], last["low"]) == ("0", "0.0", "0.0")
    assert not (tmp_path / "out" / "plots.csv").exists()


def test_wider_limits_are_asked_for_by_level(results: Path, tmp_path: Path) -> None:
    run("count", results, "--out", tmp_path / "out", "--level", 95)
    first = rows(tmp_path / "out" / "counts.csv")[0]
    assert first["high"] == f"{counted(MODEL, 10, level=0.95).high:.1f}"
    assert (first["area_m2"], first["density"]) == ("", "")


def test_a_camera_straight_above_gives_the_area(results: Path, tmp_path: Path) -> None:
    run("count", results, "--out", tmp_path / "out", "--height", 1, "--angle", 90)
    assert rows(tmp_path / "out" / "counts.csv")[2]["area_m2"] == "2.0000"  # 2 m wide, 1 m high, no heads


def test_photos_of_a_plot_are_added_up(results: Path, tmp_path: Path) -> None:
    (tmp_path / "plots.csv").write_text("image,plot,variety\na.png,12,x\nnorth/b.png,12,x\nc,3,y\n")
    result = run("count", results, "--out", tmp_path / "out", "--gsd", 2, "--plots", tmp_path / "plots.csv")
    assert result.exit_code == 0, result.output
    assert [row["plot"] for row in rows(tmp_path / "out" / "counts.csv")] == ["12", "12", "3"]
    plots = rows(tmp_path / "out" / "plots.csv")
    assert [(row["plot"], row["photos"], row["found"]) for row in plots] == [("12", "2", "30"), ("3", "1", "0")]
    estimate = counted(MODEL, 30, photos=2)
    assert (plots[0]["heads"], plots[0]["high"]) == ("33.0", f"{estimate.high:.1f}")
    assert plots[0]["density"] == f"{33 / (2 * AREA):.1f}"


def test_in_a_frame_only_its_heads_count(results: Path, tmp_path: Path) -> None:
    (tmp_path / "corners.csv").write_text("image,x1,y1,x2,y2,x3,y3,x4,y4\na,0,0,50,0,50,200,0,200\nb,0,0,9,0,0,0,9,9\n")
    options = ("--frame", "0.5x0.25", "--corners", tmp_path / "corners.csv")
    result = run("count", results, "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert "corners.csv, row 3 (image b): 0, 0, 9, 0, 0, 0, 9, 9: the corners make no convex shape" in result.output
    first, second, _ = rows(tmp_path / "out" / "counts.csv")
    assert (first["found"], first["area_m2"]) == ("5", "0.1250")
    assert (second["found"], second["area_m2"]) == ("20", "")
    assert "no_frame" in second["flags"]


def on_frames(tmp_path: Path, times: int = 1) -> tuple[Path, np.ndarray]:
    """Return results on a photo with a frame and one without, of 640 pixels, or `times` that; and its corners."""
    folder = tmp_path / "framed"
    folder.mkdir()
    field, _ = render_field(1, side=640)
    photo, corners = paint_frame(field, np.random.default_rng(3), "white")
    write_image(folder / "frame.png", resized(photo, 640 * times))
    write_image(folder / "none.png", field)
    predict_folder(as_many_as_bright, Order([folder], tmp_path / "boxes", 0.5, card=CARD))
    return tmp_path / "boxes", corners * times


@pytest.mark.parametrize("times", [1, 3])
def test_the_picture_of_a_frame_shows_the_heads_inside_alone(tmp_path: Path, times: int) -> None:
    pytest.importorskip("skimage", reason="needs the extra frame")
    boxes, corners = on_frames(tmp_path, times)
    (x, y), table = corners.mean(axis=0) / times, boxes / "detections.csv"
    rectangles = [(x - 40, y - 40, x + 40, y + 40), (560, 560, 620, 620)]  # the second one is beside the frame
    lines = ["frame.png," + ",".join(f"{edge * times:.1f}" for edge in box) + ",0.9" for box in rectangles]
    table.write_text("\n".join([table.read_text().splitlines()[0], *lines]) + "\n")
    counts = (boxes / "counts.csv").read_text().splitlines()
    counted_heads = [re.sub(r"^(frame.png),\d+", r"\1,2", re.sub(r"^(none.png),\d+", r"\1,0", line)) for line in counts]
    (boxes / "counts.csv").write_text("\n".join(counted_heads) + "\n")
    result = run("count", boxes, "--out", tmp_path / "out", "--frame", "0.5x0.5")
    assert result.exit_code == 0, result.output
    picture = read_image(tmp_path / "out" / "frames" / "frame.png.jpg").astype(int)

    def is_drawn(box: tuple[float, ...]) -> bool:
        left, top, right, _ = (round(edge * len(picture) / 640) for edge in box)
        edge = picture[top - 3 : top + 5, left + 12 : right - 12]
        return bool((np.abs(edge - FOUND).max(axis=2) < 70).any(axis=0).mean() > 0.5)

    assert [is_drawn(box) for box in rectangles] == [True, False]


def test_the_frame_is_found_on_the_photo_and_can_be_given_back(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the extra frame")
    boxes, corners = on_frames(tmp_path)
    result = run("count", boxes, "--out", tmp_path / "out", "--frame", "0.5x0.5")
    assert result.exit_code == 0, result.output
    assert "none.png: no frame found of which Spica is sure" in result.output
    framed, none = rows(tmp_path / "out" / "counts.csv")
    assert (framed["area_m2"], none["area_m2"]) == ("0.2500", "")
    assert "no_frame" in none["flags"]
    assert "no_frame" not in framed["flags"]
    (row,) = rows(tmp_path / "out" / "frames.csv")
    assert (row["image"], row["corners"]) == ("frame.png", "found")
    found = np.array([[float(row[f"x{n}"]), float(row[f"y{n}"])] for n in (1, 2, 3, 4)])
    assert max(np.linalg.norm(found - corner, axis=1).min() for corner in corners) < 3  # pixels
    assert (tmp_path / "out" / "frames" / "frame.png.jpg").is_file()
    again = run(
        *("count", boxes, "--out", tmp_path / "again", "--frame", "0.5x0.5"),
        *("--corners", tmp_path / "out" / "frames.csv", "--no-pictures"),
    )
    assert again.exit_code == 0, again.output
    assert "frames.csv lacks 1 photos: the frame is looked for on them" in again.output
    assert rows(tmp_path / "again" / "counts.csv") == [framed, none]
    assert rows(tmp_path / "again" / "frames.csv") == [{**row, "corners": "given"}]
    assert not (tmp_path / "again" / "frames").exists()


def test_no_frame_is_found_on_photos_that_were_moved_or_changed(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the extra frame")
    boxes, _ = on_frames(tmp_path)
    write_image(tmp_path / "framed" / "frame.png", np.zeros((30, 20, 3), dtype=np.uint8))
    (tmp_path / "framed" / "none.png").unlink()
    result = run("count", boxes, "--out", tmp_path / "out", "--frame", "0.5x0.5")
    assert result.exit_code == 0, result.output
    assert "frame.png: has 20 x 30 pixels, expected 640 x 640 as predicted" in result.output
    assert "none.png: the photo is no longer where it was predicted" in result.output
    assert all("no_frame" in row["flags"] for row in rows(tmp_path / "out" / "counts.csv"))


def test_corners_are_not_overwritten_by_those_that_were_used(results: Path, tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_text("image,x1,y1,x2,y2,x3,y3,x4,y4\n")
    result = run("count", results, "--out", tmp_path, "--frame", "1x1", "--corners", tmp_path / "frames.csv")
    assert result.exit_code == 1
    assert "frames.csv: would be overwritten by the counts; name another folder with --out" in result.output


def test_nothing_is_overwritten_that_is_not_of_earlier_counts(results: Path, tmp_path: Path) -> None:
    (tmp_path / "plots.csv").write_text(plots := "image,plot\nnorth/a.png,1\n")
    for more in (["--plots", tmp_path / "plots.csv"], ["--plots", tmp_path / "other.csv"]):
        (tmp_path / "other.csv").write_text(plots)
        result = run("count", results, "--out", tmp_path, *more)
        assert result.exit_code == 1
        assert "name another folder with --out" in result.output
        assert (tmp_path / "plots.csv").read_text() == plots
        assert not (tmp_path / "counts.csv").exists()


def test_counts_of_earlier_measures_make_room(results: Path, tmp_path: Path) -> None:
    (tmp_path / "plots.csv").write_text("image,plot\nnorth/a.png,1\n")
    out = tmp_path / "out"
    assert run("count", results, "--out", out, "--gsd", 2, "--plots", tmp_path / "plots.csv").exit_code == 0
    assert json.loads((out / "count.json").read_text())["files"] == ["counts.csv", "plots.csv"]
    (out / "notes.txt").write_text("mine")
    assert run("count", results, "--out", out, "--gsd", 4).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["count.json", "counts.csv", "notes.txt"]
    assert json.loads((out / "count.json").read_text())["gsd"] == 4


def test_options_of_detecting_are_refused_for_results(results: Path, tmp_path: Path) -> None:
    result = run("count", results, "--out", tmp_path / "out", "--views", "4")
    assert result.exit_code == 2
    assert "--weights, --views and --device are for photos" in result.output


def test_results_that_a_spreadsheet_saved_with_decimal_commas_are_read(results: Path) -> None:
    before = [photo.boxes.tolist() for photo in read_results(results).photos]
    table = results / "detections.csv"
    table.write_text(table.read_text().replace(",", ";").replace(".0", ",0").replace("0.9", "0,9"))
    assert ";90,00;" in table.read_text()
    assert [photo.boxes.tolist() for photo in read_results(results).photos] == before


def test_copies_of_a_photo_are_told(results: Path, tmp_path: Path) -> None:
    assert "counted again" not in run("count", results, "--out", tmp_path / "out").stderr
    photos = tmp_path / "photos"
    shutil.copyfile(photos / "north" / "b.png", photos / "north" / "b (1).png")
    predict_folder(as_many_as_bright, Order([photos], tmp_path / "more", 0.5, card=CARD))
    result = run("count", tmp_path / "more", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "1 photo(s) counted again, for two files are the same: north/b" in result.stderr


def test_results_are_counted_alone(results: Path, tmp_path: Path) -> None:
    for more in (results, tmp_path):
        result = run("count", results, more, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert "holds results of spica predict: give one such folder alone" in result.stderr.replace("\n", "")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (["--gsd", 0.2], "a head measures 1.6 mm, expected 10 to 60 mm"),
        (["--height", 160, "--angle", 60], "a head measures 3.7e+03 mm"),
        (["--gsd", 2], ""),
    ],
)
def test_a_measure_in_the_wrong_unit_is_doubted(
    measure: list[object], said: str, results: Path, tmp_path: Path
) -> None:
    result = run("count", results, "--out", tmp_path / "out", *measure)
    assert result.exit_code == 0, result.output
    assert ("is the measure right?" in result.output) == bool(said)
    assert said in " ".join(result.output.split())


def test_tables_of_spreadsheets_in_other_languages_are_read(results: Path, tmp_path: Path) -> None:
    (tmp_path / "plots.csv").write_bytes("\ufeffimage;plot\r\nnorth/a.png;Mühle, 1\r\n;\r\nnorth/b.png;2\r\n".encode())
    (tmp_path / "corners.csv").write_text("image;x1;y1;x2;y2;x3;y3;x4;y4\nnorth/a.png;0,5;0;300;0,5;300;200;0;200\n")
    result = run("count", results, "--out", tmp_path / "out", "--plots", tmp_path / "plots.csv")
    assert result.exit_code == 0, result.output
    assert [row["plot"] for row in rows(tmp_path / "out" / "plots.csv")] == ["2", "Mühle, 1"]
    assert "1 of 3 photos are in no plot" in result.output
    run("count", results, "--out", tmp_path / "framed", "--frame", "1x1", "--corners", tmp_path / "corners.csv")
    assert rows(tmp_path / "framed" / "frames.csv")[0]["x1"] == "0.5"


def test_photos_that_failed_and_names_of_other_systems_are_known_in_tables(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    write_image(photos / "Mu\u0308hle.png", np.full((HEIGHT, WIDTH, 3), 9, dtype=np.uint8))
    (photos / "broken.png").write_bytes(b"no photo")
    predict_folder(as_many_as_bright, Order([photos], tmp_path / "results", 0.5, card=CARD))
    (tmp_path / "plots.csv").write_text("image,plot\nM\u00fchle,1\nbroken.png,1\n", encoding="utf-8")
    result = run("count", tmp_path / "results", "--out", tmp_path / "out", "--plots", tmp_path / "plots.csv")
    assert [row["found"] for row in rows(tmp_path / "out" / "plots.csv")] == ["9"]
    assert "the photo could not be counted, so its plot lacks it" in result.output
    assert "counts lack 1 photos and 1 rows" in result.output


def test_photos_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for field, bright in (("one", 10), ("two", 20)):
        (tmp_path / field / "photos").mkdir(parents=True)
        write_image(tmp_path / field / "photos" / "a.png", np.full((HEIGHT, WIDTH, 3), bright, dtype=np.uint8))
    monkeypatch.chdir(tmp_path / "one")
    predict_folder(as_many_as_bright, Order([Path("photos")], Path("results"), 0.5, card=CARD))
    monkeypatch.chdir(tmp_path / "two")
    assert paths_of(read_results(Path("../one/results"))) == {"a.png": tmp_path / "one" / "photos" / "a.png"}


def test_without_what_finds_frames_one_line_says_how_to_install_it(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
    result = run("count", results, "--out", tmp_path / "out", "--frame", "1x1")
    assert result.exit_code == 1
    assert "--frame without --corners needs it: pip install 'spica-wheat[ground]'" in result.output
    (tmp_path / "corners.csv").write_text("image,x1,y1,x2,y2,x3,y3,x4,y4\na,0,0,50,0,50,200,0,200\n")
    result = run("count", results, "--out", tmp_path / "out", "--frame", "1x1", "--corners", tmp_path / "corners.csv")
    assert result.exit_code == 0, result.output
    assert "corners.csv lacks 2 photos, and they have no density" in result.output
    assert [row["area_m2"] for row in rows(tmp_path / "out" / "counts.csv")] == ["1.0000", "", ""]


def test_a_photo_is_named_as_it_was_given_to_the_command(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    predict_folder(as_many_as_bright, Order([Path("photos")], Path("relative"), 0.5, card=CARD))
    (tmp_path / "plots.csv").write_text(f"Image;Plot\nphotos/north/a.png;1,5\n{tmp_path}/photos/north/b.png;1.5\n")
    result = run("count", "relative", "--out", "out", "--plots", "plots.csv")
    assert result.exit_code == 0, result.output
    assert [(row["plot"], row["found"]) for row in rows(tmp_path / "out" / "plots.csv")] == [
        ("1,5", "10"),
        ("1.5", "20"),
    ]


def test_bad_rows_of_plots_are_told_and_the_others_count(results: Path, tmp_path: Path) -> None:
    (tmp_path / "plots.csv").write_text("image,plot\na,12\nzzz,4\na.png,5\nb,\n")
    result = run("count", results, "--out", tmp_path / "out", "--plots", tmp_path / "plots.csv")
    assert result.exit_code == 1
    for said in (
        "row 3 (image zzz): there is no such photo",
        "row 4 (image a.png): the photo has a row already",
        "row 5 (image b): the plot is empty",
    ):
        assert said in result.output
    assert [row["plot"] for row in rows(tmp_path / "out" / "plots.csv")] == ["12"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--gsd", 1, "--height", 1, "--angle", 60), "give one of"),
        (("--height", 1), "--height and --angle go together"),
        (("--corners", "x.csv"), "--corners needs --frame"),
        (("--frame", "0.5x0.5", "--corners", "x.csv", "--gsd", 1), "give one of"),
        (("--frame", "half a metre", "--corners", "x.csv"), "expected two sides in metres, such as 0.5x0.5"),
        (("--frame", "0x1", "--corners", "x.csv"), "expected two sides in metres"),
    ],
)
def test_options_that_do_not_go_together_are_misuse(
    results: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    result = run("count", results, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_counts_at_another_threshold_have_no_interval(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.full((HEIGHT, WIDTH, 3), 7, dtype=np.uint8))
    predict_folder(as_many_as_bright, Order([tmp_path / "a.png"], tmp_path / "results", 0.4, card=CARD))
    result = run("count", tmp_path / "results", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "nothing is known of how sure these counts are" in result.output
    (row,) = rows(tmp_path / "out" / "counts.csv")
    assert (row["found"], row["heads"], row["low"]) == ("7", "", "")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("detections.csv", "image,left,top,right,bottom,score\n", "10 heads, but 0 boxes"),
        ("counts.csv", "image,heads\na,3\n", "expected the columns image, width"),
        ("manifest.json", "{", "is missing or damaged"),
        ("manifest.json", '{"counts": {"bias": 2}}', "is not what spica predict wrote"),
    ],
)
def test_results_that_were_changed_are_refused(results: Path, file: str, content: str, said: str) -> None:
    (results / file).write_text(content)
    with pytest.raises(SubmissionError, match=said):
        read_results(results)


def test_photos_are_looked_at_first_and_can_be_counted_again(tmp_path: Path) -> None:
    photo, truth = render_field(3, side=640)
    write_image(tmp_path / "field.png", photo)
    result = run("count", tmp_path / "field.png", "--out", tmp_path / "out", "--no-pictures")
    assert result.exit_code == 0, result.output
    (row,) = rows(tmp_path / "out" / "counts.csv")
    assert abs(int(row["found"]) - len(truth)) < 0.5 * len(truth)
    manifest = json.loads((tmp_path / "out" / "boxes" / "manifest.json").read_text())
    assert manifest["heads"] == int(row["found"])
    again = run("count", tmp_path / "field.png", "--out", tmp_path / "out", "--height", 2, "--angle", 30)
    assert again.exit_code == 0, again.output  # as after an interruption
    assert "found before, and taken from there" in again.output
    assert rows(tmp_path / "out" / "counts.csv")[0]["density"]
    other = run("count", tmp_path / "field.png", "--out", tmp_path / "out", "--gsd", 0.5)
    assert other.exit_code == 1  # that decides how it is looked at
    assert "holds results already, of other photos or options (gsd); count those by `spica count" in other.output
    assert run("count", tmp_path / "out" / "boxes", "--out", tmp_path / "again").exit_code == 0


def test_photos_that_overlap_count_shared_ground_once(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    random = np.random.default_rng(5)
    field = np.repeat(np.repeat(random.integers(0, 256, (100, 150, 1), dtype=np.uint8), 4, axis=0), 4, axis=1)
    field = np.repeat(field, 3, axis=2)
    (tmp_path / "photos").mkdir()
    for name, left in (("a", 0), ("b", 200)):  # photos of 400 x 400, half of each shared
        photo = field[:, left : left + 400].copy()
        photo[0, 0] = 4  # heads to be found, at x = 14, 24, 34, 44
        write_image(tmp_path / "photos" / f"{name}.png", photo)
    predict_folder(as_many_as_bright, Order([tmp_path / "photos"], tmp_path / "results", 0.5, card=CARD))
    result = run("count", tmp_path / "results", "--out", tmp_path / "out", "--gsd", 1, "--overlapping")
    assert result.exit_code == 0, result.output
    assert "1 pairs of photos share ground" in result.output
    first, second = rows(tmp_path / "out" / "counts.csv")
    assert (first["found"], first["found_once"], second["found_once"]) == ("4", "4.00", "2.00")
    (pair,) = rows(tmp_path / "out" / "overlaps.csv")
    assert (pair["image"], pair["other"], pair["by_way_of"]) == ("a.png", "b.png", "")
    assert float(pair["part_of_image"]) == pytest.approx(0.5, abs=0.02)
    (total,) = rows(tmp_path / "out" / "plots.csv")
    assert (total["found"], total["photos"]) == ("6.0", "2")
    assert float(total["area_m2"]) == pytest.approx(0.6 * 0.4, rel=0.02)
    (tmp_path / "photos" / "b.png").unlink()
    again = run("count", tmp_path / "results", "--out", tmp_path / "again", "--overlapping")
    assert again.exit_code == 1
    assert "b.png (image b.png): there is no such file" in again.output
    assert "overlap_unknown" in rows(tmp_path / "again" / "counts.csv")[1]["flags"]


def test_overlaps_are_not_looked_for_in_frames(results: Path, tmp_path: Path) -> None:
    options = ("--frame", "1x1", "--corners", "x.csv", "--overlapping")
    result = run("count", results, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert "--overlapping and --frame do not go together" in result.output


def test_results_are_not_written_over(results: Path) -> None:
    before = (results / "counts.csv").read_bytes()
    result = run("count", results, "--out", results, "--gsd", 2)
    assert result.exit_code == 2
    assert "holds results of spica predict" in result.output
    assert (results / "counts.csv").read_bytes() == before


def test_photos_that_failed_are_missed_in_results_too(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", np.full((HEIGHT, WIDTH, 3), 4, dtype=np.uint8))
    (tmp_path / "photos" / "b.png").write_bytes(b"no photo")
    predict_folder(as_many_as_bright, Order([tmp_path / "photos"], tmp_path / "results", 0.5, card=CARD))
    result = run("count", tmp_path / "results", "--out", tmp_path / "out", "--gsd", 2)
    assert result.exit_code == 1
    assert "counts lack 1 photos" in result.output
    assert len(rows(tmp_path / "out" / "counts.csv")) == 1


def test_photos_without_a_frame_are_no_part_of_a_plot_with_frames(results: Path, tmp_path: Path) -> None:
    (tmp_path / "corners.csv").write_text("image,x1,y1,x2,y2,x3,y3,x4,y4\na,0,0,50,0,50,200,0,200\n")
    (tmp_path / "plots.csv").write_text("image,plot\na,p[1]\nb,p[1]\n")
    options = ("--frame", "0.5x0.25", "--corners", tmp_path / "corners.csv", "--plots", tmp_path / "plots.csv")
    result = run("count", results, "--out", tmp_path / "out", *options)
    assert "p[1]" in result.output  # square brackets are no markup
    (plot,) = rows(tmp_path / "out" / "plots.csv")
    assert (plot["found"], plot["photos"], plot["area_m2"], plot["heads"]) == ("5", "1", "0.1250", "5.5")
    assert "no_frame" in plot["flags"]


@pytest.mark.parametrize("gsd", ["inf", "35"])
def test_a_scale_at_which_heads_cannot_be_seen_is_misuse(gsd: str, results: Path, tmp_path: Path) -> None:
    assert run("count", results, "--out", tmp_path / "out", "--gsd", gsd).exit_code == 2


def test_without_any_photo_there_is_nothing_to_be_added_up(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "b.png").write_bytes(b"no photo")
    predict_folder(as_many_as_bright, Order([tmp_path / "photos"], tmp_path / "results", 0.5, card=CARD))
    result = run("count", tmp_path / "results", "--out", tmp_path / "out", "--overlapping")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert rows(tmp_path / "out" / "plots.csv") == []


class Bright:
    """A detector that finds as many heads as a photo is bright, and remembers what it was asked."""

    name = "bright.onnx"
    card = CARD
    facts: ClassVar[Facts] = {}
    workers = 1

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, photo: Image) -> Detections:
        self.asked.append(int(photo[0, 0, 0]))
        return as_many_as_bright(photo)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Bright:
    detector = Bright()
    monkeypatch.setattr("spica.loading.load_detector", lambda _weights, _device: detector)
    return detector


def paint(path: Path, bright: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full((HEIGHT, WIDTH, 3), bright, dtype=np.uint8))


@pytest.mark.parametrize("command", [("count",), ("pseudo-label", "--flagged")])
def test_photos_that_were_added_or_replaced_since_are_looked_at(
    command: tuple[str, ...], detector: Bright, tmp_path: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    paint(photos / "a.png", 3)
    paint(photos / "b.png", 5)
    asked = (command[0], photos, "--out", out, *command[1:])

    def again() -> Result:
        shutil.rmtree(out / "labels", ignore_errors=True)  # a data set is never written over
        return run(*asked)

    assert again().exit_code == 0
    assert "found before, and taken from there" in again().output
    assert detector.asked == [3, 5]
    paint(photos / "b.png", 7)
    paint(photos / "c.png", 9)
    result = again()
    assert result.exit_code == 0, result.output
    assert "what is new or changed is looked at" in result.output
    assert detector.asked == [3, 5, 7, 9]
    assert [len(photo.boxes) for photo in read_results(out / "boxes").photos] == [3, 7, 9]
    if command[0] == "count":
        assert [row["found"] for row in rows(out / "counts.csv")] == ["3", "7", "9"]
    else:
        labels, _ = read_labels(out / "labels")
        assert [image.heads for image in labels] == [3, 7, 9]
    (photos / "a.png").unlink()
    assert again().exit_code == 0
    assert detector.asked == [3, 5, 7, 9]
    assert [photo.name for photo in read_results(out / "boxes").photos] == ["b.png", "c.png"]


def test_results_of_photos_of_unknown_times_are_counted_by_their_name_alone(detector: Bright, tmp_path: Path) -> None:
    paint(tmp_path / "photos" / "a.png", 3)
    assert run("count", tmp_path / "photos", "--out", tmp_path / "out").exit_code == 0
    (tmp_path / "out" / "boxes" / "photos.json").unlink()
    result = run("count", tmp_path / "photos", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "holds results already, of other photos or options (photos.json is missing); count those by" in result.output
    assert run("count", tmp_path / "out" / "boxes", "--out", tmp_path / "again").exit_code == 0


def test_plots_are_taken_from_the_column_that_is_named(results: Path, tmp_path: Path) -> None:
    plots = tmp_path / "p.csv"
    plots.write_text("image,plot,parcel\na,A,X\nb,A,Y\nc,A,Y\n")
    result = run("count", results, "--out", tmp_path / "out", "--plots", plots, "--plot-id", "parcel")
    assert result.exit_code == 0, result.output
    assert [row["plot"] for row in rows(tmp_path / "out" / "plots.csv")] == ["X", "Y"]
    assert [row["plot"] for row in rows(tmp_path / "out" / "counts.csv")] == ["X", "Y", "Y"]
    plots.write_text("image,parcel\na,X\n")
    assert run("count", results, "--out", tmp_path / "two", "--plots", plots, "--plot-id", "parcel").exit_code == 0


def test_a_column_that_plots_lack_is_told_before_any_work(detector: Bright, tmp_path: Path) -> None:
    paint(tmp_path / "photos" / "a.png", 3)
    (tmp_path / "p.csv").write_text("image,plot\na,A\n")
    options = ("--plots", tmp_path / "p.csv", "--plot-id", "parcel")
    result = run("count", tmp_path / "photos", "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert "expected the columns image, parcel, got image, plot" in result.output
    assert detector.asked == []


@pytest.mark.parametrize(
    ("options", "by", "gsd"),
    [
        (("--gsd", 2), "gsd", 2),
        (("--height", 1, "--angle", 90), "height", None),
        (("--frame", "1x1", "--corners", "corners.csv"), "frame", None),
        ((), None, None),
    ],
)
def test_the_record_says_by_what_areas_are_measured(
    options: tuple[object, ...], by: str | None, gsd: float | None, results: Path, tmp_path: Path
) -> None:
    (tmp_path / "corners.csv").write_text(
        "image,x1,y1,x2,y2,x3,y3,x4,y4\n" + "".join(f"{name},0,0,50,0,50,200,0,200\n" for name in "abc")
    )
    given = [tmp_path / one if one == "corners.csv" else one for one in options]
    assert run("count", results, "--out", tmp_path / "out", *given).exit_code == 0
    record = json.loads((tmp_path / "out" / "count.json").read_text())
    assert (record["measured_by"], record["gsd"]) == (by, gsd)


@pytest.fixture
def raster(detector: Bright, tmp_path: Path) -> Path:
    """Return a raster with coordinates, of 400 x 200 pixels, on which the detector finds heads."""
    pytest.importorskip("rasterio")
    detector.card = SIZED
    return write_raster(tmp_path / "ortho.tif", np.full((HEIGHT, WIDTH, 3), 9, dtype=np.uint8))


def test_a_map_never_takes_the_place_of_a_photo(raster: Path, detector: Bright, tmp_path: Path) -> None:
    keep = tmp_path / "keep.jpg"
    keep.write_bytes(b"mine")
    result = run("count", raster, "--out", tmp_path / "out", "--gsd", 0.5, "--map", keep)
    assert result.exit_code == 1
    assert "keep.jpg: is there, and not of the counts in" in result.output
    gone = run("count", raster, "--out", tmp_path / "out", "--gsd", 0.5, "--map", tmp_path / "gone" / "map.png")
    assert gone.exit_code == 1
    assert "gone is not a folder; make it first" in gone.output
    assert (keep.read_bytes(), detector.asked) == (b"mine", [])
    assert not (tmp_path / "out").exists()


def test_a_map_of_earlier_counts_makes_room(raster: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for file, named in ((out / "map.png", "map.png"), (tmp_path / "map.png", str(tmp_path / "map.png"))):
        for _ in range(2):
            result = run("count", raster, "--out", out, "--gsd", 0.5, "--map", file)
            assert result.exit_code == 0, result.output
            assert file.is_file()
            assert named in json.loads((out / "count.json").read_text())["files"]
    assert not (out / "map.png").exists()  # it was of the counts before


def test_a_raster_is_measured_by_its_coordinates_whatever_gsd_is_given(raster: Path, tmp_path: Path) -> None:
    result = run("count", raster, "--out", tmp_path / "out", "--gsd", 0.7)
    assert result.exit_code == 0, result.output
    assert f"--gsd does not change areas and densities here: {raster} is measured by its coord" in result.output
    record = json.loads((tmp_path / "out" / "count.json").read_text())
    assert (record["measured_by"], record["gsd"]) == ("coordinates", None)
    assert "--gsd" not in run("count", tmp_path / "out" / "boxes", "--out", tmp_path / "again").output


def test_a_raster_that_was_replaced_is_refused_with_its_name(raster: Path, detector: Bright, tmp_path: Path) -> None:
    asked = ("count", raster, "--out", tmp_path / "out")
    assert run(*asked).exit_code == 0
    assert "found before, and taken from there" in run(*asked).output
    looked = list(detector.asked)
    write_raster(raster, np.full((HEIGHT, WIDTH, 3), 12, dtype=np.uint8), compress="deflate")
    result = run(*asked)
    assert result.exit_code == 1
    assert "of other photos or options (ortho.tif was replaced); count those by `spica count" in result.output
    assert detector.asked == looked
