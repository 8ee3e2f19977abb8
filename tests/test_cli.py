"""Facts about the command line."""

import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import spica
from spica.cli import app
from spica.detections import Detections, no_detections
from spica.errors import DownloadError, RecipeError, WeightsError
from spica.image import Image
from spica.images import image_size, name_photos, read_image, write_image
from spica.labels.fields import render_field
from spica.prediction.card import Card
from spica.prediction.journal import Journal, Outcome
from spica.prediction.runtime import Facts
from spica.prediction.submission import read_submission

COMMANDS = ("predict", "count", "evaluate", "train", "export", "backbones", "data")
HEADER = "image_id,width,height,bbox,source\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )


Asked = list[tuple[Path | None, str]]


class TwoHeads:
    """A detector that finds the same two heads on every photo."""

    name = "two"
    card = Card(threshold=0.5)
    facts: ClassVar[Facts] = {"runtime": "fingers"}
    workers = 1
    capped = False

    def __call__(self, photo: Image) -> Detections:
        rows = np.array([[2, 2, 12, 12], [20, 20, 30, 32]], dtype=np.float32)
        return Detections(rows, np.array([0.9, 0.4], dtype=np.float32), self.capped)


def put_module(monkeypatch: pytest.MonkeyPatch, name: str, **content: object) -> None:
    """Put a module of that name in the place of one that needs torch."""
    module = types.ModuleType(name)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)
    package, _, short = name.rpartition(".")
    monkeypatch.setattr(import_module(package), short, module, raising=False)


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a detector in the place of the one that needs torch; return the name of its weights."""

    def load_detect(weights: Path, device: str = "auto") -> TwoHeads:
        if weights.name != "two":
            raise WeightsError(f"{weights}: no such weights file")
        return TwoHeads()

    put_module(monkeypatch, "spica.model.checkpoint", load_detect=load_detect)
    return "two"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of two photos of gravel: grey, sharp and full of texture, so that no flag is raised."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("a", "b")):
        gravel = np.random.default_rng(number).integers(0, 256, (64, 640, 1), dtype=np.uint8)
        write_image(folder / f"{name}.png", gravel.repeat(3, axis=2))
    return folder


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Return a data set of four photos of two sources, one head on each of three photos."""
    folder = tmp_path / "data"
    (folder / "train").mkdir(parents=True)
    for name in ("a", "b", "c", "d"):
        write_image(folder / "train" / f"{name}.jpg", np.full((40, 40, 3), 90, dtype=np.uint8))
    lines = [f'{name},40,40,"[2, 2, 10, 10]",{source}\n' for name, source in (("a", "x"), ("b", "x"), ("c", "y"))]
    (folder / "train.csv").write_text(HEADER + "".join(lines))
    return folder


# --- all commands


def test_help_and_version_are_quick_and_load_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.process_time()\n"
        "from spica.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'PIL', 'matplotlib', 'rich.table'} & sys.modules.keys()\n"
        "print('heavy:', sorted(heavy), file=sys.stderr)\n"
        "print(time.process_time() - start, file=sys.stderr)"
    )
    for argument in ("--help", "--version"):
        done = python(code, argument)
        heavy, seconds = done.stderr.splitlines()
        assert heavy == "heavy: []"
        assert float(seconds) < 1  # 0.15 s of processor time on an idle machine
    assert done.stdout == f"spica {spica.__version__}\n"


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    "command",
    [*[(name,) for name in COMMANDS], *[("data", n) for n in ("check", "split", "convert", "render", "download")]],
)
def test_every_command_explains_itself_without_python_words(command: Sequence[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Raises" not in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("predictt",),
        ("predict",),
        ("train", "r.toml"),
        ("export", "run"),
        ("evaluate",),
        ("data", "split", "d", "--by", "x"),
    ],
)
def test_misuse_exits_with_2(arguments: Sequence[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_missing_torch_is_one_line_that_says_how_to_install_it(tmp_path: Path) -> None:
    code = (
        "import sys; from importlib.abc import MetaPathFinder\n"
        "class No(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'torchvision', 'timm'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, No())\n"
        "from spica.cli import main; main()"
    )
    done = python(code, "predict", str(tmp_path), "--out", str(tmp_path / "out"), "--weights", "w")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert "pip install 'spica-wheat[train]'" in done.stderr


def test_interruption_is_one_line_and_exit_130(photos: Path, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> Detections:
        raise KeyboardInterrupt

    monkeypatch.setattr(TwoHeads, "__call__", stop)
    result = run("predict", photos, "--out", photos.parent / "out", "--weights", weights)
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"
    assert (photos.parent / "out" / "counts.csv").read_text() == "image,heads,width,height,flags\n"
    assert not (photos.parent / "out" / "manifest.json").exists()


def test_a_bug_is_not_hidden_behind_a_line(photos: Path, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> Detections:
        raise IndexError("bug")

    monkeypatch.setattr(TwoHeads, "__call__", bug)
    result = run("predict", photos, "--out", photos.parent / "out", "--weights", weights)
    assert isinstance(result.exception, IndexError)


# --- predict


def test_predict_writes_a_result_folder_and_says_what_it_found(photos: Path, weights: str, tmp_path: Path) -> None:
    result = run("predict", photos, "--out", tmp_path / "out", "--weights", weights)
    assert result.exit_code == 0
    assert result.stdout.startswith("2 heads with a score of 0.5 or more on 2 photos")
    assert (tmp_path / "out" / "pictures" / "a.png.jpg").is_file()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["model"], manifest["runtime"]) == ("two", "fingers")


def test_predict_takes_score_submission_and_no_pictures(photos: Path, weights: str, tmp_path: Path) -> None:
    options = ("--score", 0.3, "--no-pictures", "--submission", tmp_path / "s.csv")
    result = run("predict", photos / "a.png", "--out", tmp_path / "out", "--weights", weights, *options)
    assert result.exit_code == 0
    assert result.stdout.startswith("2 heads")
    assert not (tmp_path / "out" / "pictures").exists()
    assert (tmp_path / "s.csv").read_text().splitlines()[1].startswith("a,")


def test_predict_writes_a_submission_for_the_challenge_of_2021(photos: Path, weights: str, tmp_path: Path) -> None:
    file, domains = tmp_path / "s.csv", tmp_path / "test.csv"
    domains.write_text("image_name,BoxesString,domain\na.png,no_box,NAU_2\nb.png,no_box,NAU_3\nz.png,no_box,NAU_3\n")
    options = ("--weights", weights, "--out", tmp_path / "out", "--no-pictures", "--domains", domains)
    assert run("predict", photos, *options).exit_code == 2
    result = run("predict", photos, *options, "--submission", file)
    assert result.exit_code == 0, result.stderr
    header, *rows = file.read_text().splitlines()
    assert header == "image_name,PredString,domain"
    assert [(row.split(",")[0], row.split(",")[2]) for row in rows] == [("a.png", "NAU_2"), ("b.png", "NAU_3")]
    assert sum(len(found) for found in read_submission(file).values()) == 2


def test_a_photo_without_a_domain_is_told_before_any_work(photos: Path, weights: str, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("image_name,domain\na,NAU_2\n")
    options = ("--weights", weights, "--submission", tmp_path / "s.csv", "--domains", tmp_path / "test.csv")
    result = run("predict", photos, "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert "1 photo(s) have no domain, first b" in result.stderr
    assert not (tmp_path / "out").exists()


def test_predict_exits_with_1_if_a_photo_failed_and_names_it(photos: Path, weights: str, tmp_path: Path) -> None:
    (photos / "[bad].jpg").write_text("no photo")
    result = run("predict", photos, "--out", tmp_path / "out", "--weights", weights)
    assert result.exit_code == 1
    assert "[bad].jpg: " in result.stderr
    assert "1 of 3 photos failed" in result.stderr
    assert "2 heads" in result.stdout


def test_predict_leaves_out_its_own_pictures_and_says_so(photos: Path, weights: str) -> None:
    first = run("predict", photos, "--out", photos / "out1", "--weights", weights)
    second = run("predict", photos, "--out", photos / "out2", "--weights", weights)
    assert (first.exit_code, first.stderr) == (0, "")
    assert second.exit_code == 0
    assert "on 2 photos" in second.stdout
    assert second.stderr == f"not searched for photos, since Spica drew the pictures there: {photos}/out1/pictures\n"


def test_predict_says_how_many_photos_reached_the_cap(
    photos: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TwoHeads, "capped", True)
    result = run("predict", photos, "--out", tmp_path / "out", "--weights", weights)
    assert result.exit_code == 0
    assert result.stderr.startswith(
        f"2 photo(s) with the flag cap in {tmp_path}/out/counts.csv: the detector gave as many boxes as it can"
    )
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("given", "said"), [("gone", "no such file"), ("empty", "no photo there")])
def test_predict_without_photos_is_one_line(given: str, said: str, weights: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("predict", tmp_path / given, "--out", tmp_path / "out", "--weights", weights)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_weights_that_are_not_there_are_one_line(photos: Path, weights: str, tmp_path: Path) -> None:
    result = run("predict", photos, "--out", tmp_path / "out", "--weights", "three")
    assert (result.exit_code, result.stderr) == (1, "error: three: no such weights file\n")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What detectors a command asked for: weights and device of each."""
    asked: Asked = []

    def load_detector(weights: Path | None, device: str) -> TwoHeads:
        asked.append((weights, device))
        return TwoHeads()

    monkeypatch.setattr("spica.loading.load_detector", load_detector)
    return asked


def test_predict_without_weights_takes_the_model_that_spica_ships(photos: Path, tmp_path: Path, asked: Asked) -> None:
    assert run("predict", photos, "--out", tmp_path / "out").exit_code == 0
    assert run("predict", photos, "--out", tmp_path / "out2", "--device", "cpu").exit_code == 0
    assert asked == [(None, "auto"), (None, "cpu")]


def test_the_shipped_model_counts_the_heads_of_a_rendered_field(tmp_path: Path) -> None:
    photo, boxes = render_field(3, side=640, heads=30)
    write_image(tmp_path / "field.png", photo)
    result = run("predict", tmp_path / "field.png", "--out", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "")
    assert 0.6 * len(boxes) < int(result.stdout.split()[0]) < 1.4 * len(boxes)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["model"].startswith("wheat.onnx, sha256 ")
    assert manifest["runtime"].startswith("openvino ")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_predict_interrupted_twice_goes_on_to_the_same_files(
    photos: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(photos / "c.png", read_image(photos / "a.png")[::-1].copy())
    command: tuple[object, ...] = ("predict", photos, "--weights", weights, "--submission")
    assert run(*command, tmp_path / "whole.csv", "--out", tmp_path / "whole").exit_code == 0
    add, done = Journal.add, []

    def stop(journal: Journal, outcome: Outcome) -> None:
        add(journal, outcome)
        done.append(outcome.name)
        if done in (["a.png"], ["a.png", "b.png"]):
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "add", stop)
    command = (*command, tmp_path / "again.csv", "--out", tmp_path / "again")
    for _ in range(2):
        result = run(*command)
        assert (result.exit_code, result.stderr) == (130, "interrupted\n")
        assert not (tmp_path / "again.csv").exists()
    other = run(*command, "--score", 0.3)
    assert other.exit_code == 1
    assert other.stderr.startswith(f"error: {tmp_path}/again: holds unfinished results with another score (0.5 ")
    assert other.stderr.count("\n") == 1
    result = run(*command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert done == ["a.png", "b.png", "c.png"]
    assert "(2 had been done before)" in result.stdout
    assert "3 heads with a score of 0.5 or more on 3 photos" in result.stdout
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    finished = run(*command)
    assert finished.exit_code == 1
    assert "already; name another folder or delete the old results" in finished.stderr


def test_a_polite_kill_stops_predict_as_ctrl_c_does(
    photos: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def kill(*_: object) -> Detections:
        os.kill(os.getpid(), signal.SIGTERM)
        return no_detections()

    monkeypatch.setattr(TwoHeads, "__call__", kill)
    # Until `predict` has its own handler, pytest shall not be killed.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        result = run("predict", photos, "--out", tmp_path / "out", "--weights", weights)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert not (tmp_path / "out" / "manifest.json").exists()


# --- export


def test_export_hands_over_its_arguments_and_says_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def export(weights: Path, out: Path, *, half: bool) -> Card:
        given.append((weights, out, half))
        out.write_bytes(bytes(1_540_000))
        return Card(threshold=0.37)

    put_module(monkeypatch, "spica.model.export", export=export)
    file = tmp_path / "m.onnx"
    result = run("export", "run", "--out", file)
    assert (result.exit_code, result.stdout) == (0, f"threshold 0.37, 1.5 MB: {file}\n")
    assert run("export", "run", "--out", file, "--no-half").exit_code == 0
    assert given == [(Path("run"), file, True), (Path("run"), file, False)]


def test_a_run_that_is_not_there_cannot_be_exported(tmp_path: Path) -> None:
    result = run("export", tmp_path / "gone", "--out", tmp_path / "m.onnx")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {tmp_path}/gone: no such weights file; expected a run folder")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "m.onnx").exists()


# --- several looks


def manifest_of(out: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((out / "manifest.json").read_text())
    return content


def test_predict_looks_at_eight_views_and_takes_a_lower_threshold(
    photos: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []

    def look(self: TwoHeads, photo: Image) -> Detections:
        shapes.append(photo.shape[:2])
        return no_detections()

    monkeypatch.setattr(TwoHeads, "__call__", look)
    options = ("--weights", weights, "--views", 8)
    assert run("predict", photos / "a.png", "--out", tmp_path / "out", *options).exit_code == 0
    assert sorted(shapes) == [(64, 640)] * 4 + [(640, 64)] * 4
    manifest = manifest_of(tmp_path / "out")
    assert (manifest["views"], manifest["model"], manifest["runtime"]) == (8, "two", "fingers")
    assert manifest["score"] == pytest.approx(0.455)  # 0.91 of what the card says


def test_predict_asks_all_weights_about_each_photo(photos: Path, weights: str, tmp_path: Path) -> None:
    result = run("predict", photos, "--out", tmp_path / "out", "--weights", weights, "--weights", weights)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("2 heads with a score of 0.5 or more on 2 photos")
    assert manifest_of(tmp_path / "out")["model"] == "two + two"


def test_predict_looks_at_tiles_of_the_size_that_it_is_given(photos: Path, weights: str, tmp_path: Path) -> None:
    result = run("predict", photos / "a.png", "--out", tmp_path / "out", "--weights", weights, "--tile", 100)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("9 heads")  # one in each tile: they begin less than 75 pixels apart
    manifest = manifest_of(tmp_path / "out")
    assert (manifest["tile"], manifest["gsd"]) == (100, 0)


def test_a_ground_sampling_distance_says_how_large_the_tiles_are(
    photos: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--weights", weights, "--gsd", 0.5)
    result = run("predict", photos / "a.png", "--out", tmp_path / "out", *options)
    assert (result.exit_code, result.stderr.startswith("error: the card of the weights does not say")) == (1, True)
    monkeypatch.setattr(TwoHeads, "card", Card(threshold=0.5, side=64, head_sides=(20.0, 82.0)))
    result = run("predict", photos / "a.png", "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("9 heads")  # tiles of 25 / 0.5 * 64 / 32 = 100 pixels: 32 is a third of the range
    assert manifest_of(tmp_path / "out")["gsd"] == 0.5


@pytest.mark.parametrize(
    ("before", "then", "said"),
    [
        (("--views", 2), (), "another views (2 instead of None)"),
        ((), ("--views", 2), "another"),
        (("--views", 2), ("--views", 4), "another"),
        (("--tile", 100), (), "another tile (100 instead of 0)"),
        ((), ("--gsd", 0.5), "another gsd (0.0 instead of 0.5)"),
        (("--weights", "two"), (), "another model"),
    ],
)
def test_predict_does_not_go_on_with_other_looks(
    before: Sequence[object],
    then: Sequence[object],
    said: str,
    photos: Path,
    weights: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TwoHeads, "card", Card(threshold=0.5, side=64, head_sides=(16.0, 64.0)))
    command = ("predict", photos, "--out", tmp_path / "out", "--score", 0.4, "--weights", weights)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", interrupt)
        assert run(*command, *before).exit_code == 130
    result = run(*command, *then)
    assert result.exit_code == 1
    assert said in result.stderr
    assert run(*command, *before).exit_code == 0


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_evaluate_looks_as_it_is_told(labelled: Path, weights: str, tmp_path: Path) -> None:
    options = ("--no-ap", "--out", tmp_path / "out", "--views", 4, "--weights", weights, "--tile", 32)
    result = run("evaluate", labelled, "--weights", weights, *options)
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["threshold"] == 0.45


@pytest.mark.parametrize(
    "options",
    [
        ("predict", ".", "--out", "o", "--views", 3),
        ("predict", ".", "--out", "o", "--tile", 100, "--gsd", 0.3),
        ("predict", ".", "--out", "o", "--tile", 0),
        ("predict", ".", "--out", "o", "--gsd", 0),
        ("evaluate", ".", "--tile", 100, "--gsd", 0.3),
        ("evaluate", ".", "--submission", "s.csv", "--views", 2),
        ("evaluate", ".", "--submission", "s.csv", "--tile", 100),
        ("evaluate", ".", "--weights", "a", "--weights", "b", "--part", "held_out"),
    ],
)
def test_looks_that_do_not_go_together_are_misuse(options: Sequence[object]) -> None:
    assert run(*options).exit_code == 2


# --- evaluate


def test_evaluate_without_weights_takes_the_model_that_spica_ships_and_says_what_it_was_trained_on(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    monkeypatch.setattr("spica.scoring.plots.write_plots", lambda *_: [])  # they take their time
    result = run("evaluate", labelled, "--no-ap", "--out", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert asked == [(None, "cpu")]
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert evaluation["threshold"] == 0.5
    (remark,) = evaluation["remarks"]
    assert remark.startswith("the shipped model was trained on")
    assert remark in result.stderr
    assert f"Note: {remark}." in (tmp_path / "out" / "report.html").read_text("utf-8")


def perfect(folder: Path, *names: str) -> Path:
    """Write a submission with the head of each image, nothing on the fourth."""
    rows = [f"{name},{'' if name == 'd' else '0.9 2 2 10 10'}\n" for name in names]
    (folder / "submission.csv").write_text("image_id,PredictionString\n" + "".join(rows))
    return folder / "submission.csv"


def test_a_perfect_submission_scores_1(labelled: Path, tmp_path: Path) -> None:
    result = run("evaluate", labelled, "--submission", perfect(tmp_path, *"abcd"), "--no-ap", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "1.000" in result.stdout
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert evaluation["overall"]["score"] == 1
    assert evaluation["threshold"] == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    assert evaluation["remarks"] == []  # who knows what found them
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "Note: " not in page
    assert "submission.csv on data: 4 photos with 3 heads" in page
    assert "1.000</strong> score, rule kaggle" in page


def test_the_report_shows_what_a_detector_missed_and_needs_no_plots(
    labelled: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run("evaluate", labelled, "--weights", weights, "--no-ap", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "without plots" in result.stderr
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "two on data: 4 photos with 3 heads" in page
    assert "0 heads labelled, 1 found: 0 hit, 0 missed, 1 false" in page
    assert page.count("data:image/jpeg;base64,") == 1  # the others are perfect
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".drawn-by-spica",
        "evaluation.json",
        "report.html",
    ]


def test_an_evaluation_replaces_an_earlier_one_and_no_other_file(labelled: Path, tmp_path: Path) -> None:
    out, options = tmp_path / "out", ("--submission", perfect(tmp_path, *"abcd"), "--no-ap")
    for _ in range(2):
        assert run("evaluate", labelled, *options, "--out", out).exit_code == 0
    (out / "report.html").write_text("my own report")
    result = run("evaluate", labelled, *options, "--out", out)
    assert result.exit_code == 1
    assert "out: holds report.html, evaluation.json, thresholds.png" in result.stderr.replace("\n", "")
    assert "and no report.html of spica evaluate" in result.stderr
    assert (out / "report.html").read_text() == "my own report"


def test_plots_in_a_folder_of_their_own_are_no_photos(labelled: Path, tmp_path: Path) -> None:
    options = ("--submission", perfect(tmp_path, *"abcd"), "--no-ap")
    photos = set(name_photos([labelled]))
    assert run("evaluate", labelled, *options, "--out", labelled / "scores").exit_code == 0
    assert set(name_photos([labelled])) == photos
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").touch()
    assert run("evaluate", labelled, *options, "--out", tmp_path / "mine").exit_code == 0
    assert "mine/photo.jpg" in name_photos([tmp_path])  # a folder of photos stays one


def test_weights_are_evaluated_at_their_own_threshold(labelled: Path, weights: str, tmp_path: Path) -> None:
    result = run("evaluate", labelled, "--weights", weights, "--no-ap", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert evaluation["threshold"] == 0.5
    assert evaluation["overall"]["score"] == 0.75  # right on three photos, one head too many on the fourth
    assert evaluation["overall"]["found"] == 4


def test_images_sources_and_folds_restrict_an_evaluation(
    labelled: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spica.scoring.plots.write_plots", lambda *_: [])  # they take their time

    def images(*options: object) -> int:
        out = tmp_path / "out"
        result = run("evaluate", labelled, "--weights", weights, "--no-ap", "--out", out, *options)
        assert result.exit_code == 0, result.stderr
        return int(json.loads((out / "evaluation.json").read_text())["overall"]["images"])

    (tmp_path / "ids.txt").write_text("a\nd\n\n")
    (tmp_path / "folds.csv").write_text("image_id,fold\na,1\nb,2\nc,2\nd,2\n")
    (tmp_path / "quoted.csv").write_text(f'"image_id","boxes"\n"a","{"9 " * 100_000}"\n "b" ,\n')
    assert images("--images", tmp_path / "quoted.csv") == 2
    assert images("--images", tmp_path / "ids.txt") == 2
    assert images("--source", "x") == 2
    assert images("--source", "x", "--source", "y") == 3
    assert images("--images", tmp_path / "folds.csv") == 4
    assert images("--images", tmp_path / "folds.csv", "--fold", 2) == 3
    assert images("--images", tmp_path / "ids.txt", "--source", "x") == 1


@pytest.fixture
def parts(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder where the weights are a run folder with the parts of the training; return the table of parts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spica.scoring.plots.write_plots", lambda *_: [])  # they take their time
    Path(weights).mkdir()
    file = Path(weights) / "parts.csv"
    file.write_text("image_id,part\na,train\nb,train\nc,validation\nd,held_out\n")
    return file


def test_evaluate_says_how_many_photos_were_trained_on(labelled: Path, parts: Path) -> None:
    result = run("evaluate", labelled, "--weights", "two", "--no-ap")
    assert result.exit_code == 0, result.stderr
    told = [line for line in result.stderr.splitlines() if "trained on" in line]
    assert told == ["2 of the 4 photos were trained on, 1 chose weights and threshold (two/parts.csv); --part chooses"]


def test_report_and_table_say_how_many_photos_were_trained_on(labelled: Path, parts: Path) -> None:
    result = run("evaluate", labelled, "--weights", "two", "--no-ap", "--out", "scores")
    assert result.exit_code == 0, result.stderr
    remark = "2 of the 4 photos were trained on, 1 chose weights and threshold (two/parts.csv)"
    assert json.loads(Path("scores", "evaluation.json").read_text())["remarks"] == [remark]
    assert f"Note: {remark}." in Path("scores", "report.html").read_text("utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems want names that are text")
def test_a_run_whose_path_is_no_text_is_evaluated(labelled: Path, parts: Path) -> None:
    odd = Path(os.fsdecode(b"odd\xff"))
    odd.mkdir()
    Path("two").rename(odd / "two")
    result = run("evaluate", labelled, "--weights", odd / "two", "--no-ap", "--out", "scores")
    assert result.exit_code == 0, result.stderr
    (remark,) = json.loads(Path("scores", "evaluation.json").read_text())["remarks"]
    assert remark.endswith(f"({odd / 'two' / 'parts.csv'})")


@pytest.mark.parametrize(("part", "images"), [("train", 2), ("validation", 1), ("held_out", 1)])
def test_parts_of_a_training_restrict_an_evaluation(part: str, images: int, labelled: Path, parts: Path) -> None:
    result = run("evaluate", labelled, "--weights", "two", "--no-ap", "--out", "scores", "--part", part)
    assert result.exit_code == 0, result.stderr
    assert json.loads(Path("scores", "evaluation.json").read_text())["overall"]["images"] == images
    trained = f"{2 if part == 'train' else 0} of the {images} photos were trained on"
    assert trained in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "parts.csv: cannot be read"),
        ("image_id,part\na,train\n", "no image had the part held_out"),
        ("image_id,part\na,test\n", "row 2: part is 'test', expected one of train, validation, held_out"),
        ("image_id,part\na,held_out\na,train\n", "row 3: image_id 'a' is empty or there twice"),
        ("image_id,part\nq,held_out\n", "1 of 1 images have no sound label: q"),
    ],
)
def test_parts_that_make_no_sense_are_one_line(content: str | None, said: str, labelled: Path, parts: Path) -> None:
    if content is None:
        parts.unlink()
    else:
        parts.write_text(content)
    result = run("evaluate", labelled, "--weights", "two", "--no-ap", "--part", "held_out")
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")


def test_a_part_of_which_photos_are_gone_is_evaluated_without_them(labelled: Path, parts: Path) -> None:
    cut_off(labelled / "train" / "b.jpg")
    parts.write_text("image_id,part\na,held_out\nb,held_out\nz,held_out\n")
    result = run("evaluate", labelled, "--weights", "two", "--no-ap", "--out", "scores", "--part", "held_out")
    assert result.exit_code == 0, result.stderr
    evaluation = json.loads(Path("scores", "evaluation.json").read_text())
    assert evaluation["overall"]["images"] == 1
    assert evaluation["remarks"][-2].endswith("parts.csv: 1 of 3 images have no sound label: z")
    assert evaluation["remarks"][-1] == "1 photos that cannot be read are left out"
    assert "b.jpg: cannot be decoded" in result.stderr


def test_a_submission_is_scored_on_photos_that_are_cut_off_too(labelled: Path, tmp_path: Path) -> None:
    cut_off(labelled / "train" / "b.jpg")
    options = ("--submission", perfect(tmp_path, *"abcd"), "--no-ap", "--out", tmp_path / "out")
    result = run("evaluate", labelled, *options)
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["overall"]["images"] == 4


def test_photos_of_which_none_can_be_read_are_an_error(labelled: Path, weights: str) -> None:
    for name in "abcd":
        cut_off(labelled / "train" / f"{name}.jpg")
    result = run("evaluate", labelled, "--weights", weights)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "error: no photo can be read, see above")


def cut_off(photo: Path) -> None:
    """Cut a photo off in its pixels: its size can be read, the rest cannot."""
    write_image(photo, np.random.default_rng(0).integers(0, 256, read_image(photo).shape, dtype=np.uint8))
    photo.write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
    assert image_size(photo)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--source", "z"), "no image has the source 'z'; the labels have"),
        (("--images", "ids.txt"), "ids.txt: 1 of 2 images have no sound label: q; see `spica data check`, or delete"),
        (("--images", "gone.txt"), "cannot be read"),
        (("--images", "folds.csv", "--fold", "9"), "there is no fold 9, expected 1 to 1"),
        (("--rule", "own"), "rule 'own' is not known"),
    ],
)
def test_what_is_not_there_is_one_line(
    options: Sequence[str], said: str, labelled: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ids.txt").write_text("a\nq\n")
    Path("folds.csv").write_text("image_id,fold\na,1\n")
    result = run("evaluate", labelled, "--weights", weights, *options)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")


def test_a_submission_must_hold_every_labelled_image(labelled: Path, tmp_path: Path) -> None:
    result = run("evaluate", labelled, "--submission", perfect(tmp_path, "a", "b", "q"))
    assert result.exit_code == 1
    assert "2 labelled image(s) are missing: c, d" in result.stderr
    assert "1 image(s) are not labelled: q" in result.stderr


def test_a_submission_may_hold_more_than_the_images_asked_for(labelled: Path, tmp_path: Path) -> None:
    result = run("evaluate", labelled, "--submission", perfect(tmp_path, *"abcd"), "--source", "y", "--no-ap")
    assert result.exit_code == 0, result.stderr


def test_either_weights_or_a_submission(labelled: Path, weights: str, tmp_path: Path) -> None:
    assert run("evaluate", labelled, "--part", "train").exit_code == 2
    assert run("evaluate", labelled, "--weights", weights, "--submission", tmp_path / "s.csv").exit_code == 2
    assert run("evaluate", labelled, "--weights", weights, "--fold", 1).exit_code == 2
    assert run("evaluate", labelled, "--submission", "s.csv", "--part", "train").exit_code == 2


@pytest.mark.parametrize("layout", ["kaggle", "gwhd", "coco", "yolo"])
@pytest.mark.parametrize("searched", [".", "{photos}", "{photos}/day1"])
def test_predicted_photos_have_the_ids_of_their_labels(
    layout: str, searched: str, labelled: Path, weights: str, tmp_path: Path
) -> None:
    (labelled / "train" / "day1").mkdir()
    (labelled / "train" / "a.jpg").rename(labelled / "train" / "day1" / "a.jpg")
    table = (labelled / "train.csv").read_text()
    (labelled / "train.csv").write_text(table.replace("\na,", "\nday1/a,"))
    data, submission, ids = tmp_path / layout, tmp_path / "submission.csv", tmp_path / "ids.txt"
    assert run("data", "convert", labelled, "--to", layout, "--out", data).exit_code == 0
    folder = data / searched.format(photos="train" if layout == "kaggle" else "images")
    options = ("--out", tmp_path / "out", "--no-pictures", "--submission", submission)
    assert run("predict", folder, "--weights", weights, *options).exit_code == 0
    ids.write_text("day1/a\n")
    only = ("--images", ids) if "day1" in searched else ()
    result = run("evaluate", data, "--submission", submission, "--no-ap", *only)
    assert result.exit_code == 0, result.stderr


# --- train, backbones


@dataclass(frozen=True)
class Now:
    """What a training tells."""

    step: int = 7
    done: float = 0.5
    seconds: float = 90.0
    losses: dict[str, float] = field(default_factory=lambda: {"boxes": 0.25})
    rate: float = 5.5
    note: str = ""


Data: TypeAlias = tuple[Path, ...]


def test_train_hands_over_its_arguments_and_tells_how_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def train(
        recipe: Path,
        data: tuple[Path, ...],
        out: Path,
        *,
        resume: bool,
        settings: list[str],
        tell: Callable[[Now], None],
    ) -> dict[str, object]:
        given.extend([recipe, data, out, resume, settings])
        tell(Now())
        tell(Now(note="step 7: score 0.5"))
        return {}

    put_module(monkeypatch, "spica.training.run", train=train)
    options = ("--data", "d", "--also", "p", "--also", "q", "--out", "o", "--resume", "--set", "a=1", "--set", "b=2")
    result = run("train", "r.toml", *options)
    assert result.exit_code == 0, result.stderr
    assert given == [Path("r.toml"), (Path("d"), Path("p"), Path("q")), Path("o"), True, ["a=1", "b=2"]]
    assert result.stderr == "step 7, 1.5 min: boxes 0.250; 5.5 samples/s\nstep 7: score 0.5\n"
    assert result.stdout == "written to o\n"
    monkeypatch.setenv("RANK", "1")  # as torchrun sets it in the second process
    second = run("train", "r.toml", *options)
    assert (second.exit_code, second.stdout, second.stderr) == (0, "", "")


def test_train_with_folds_shows_a_row_for_each_source(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Row:
        source: str
        score: float
        ap50: float | None

    def train_folds(
        recipe: Path,
        data: tuple[Path, ...],
        out: Path,
        *,
        resume: bool,
        settings: list[str],
        tell: Callable[[str], object],
    ) -> list[Row]:
        assert (recipe, data, out, resume, settings) == (Path("r.toml"), (Path("d"),), Path("o"), False, [])
        assert callable(tell("east"))
        return [Row("east", 0.5, None), Row("west", 0.25, 0.75)]

    put_module(monkeypatch, "spica.training.run", train=None)
    put_module(monkeypatch, "spica.training.folds", train_folds=train_folds, FOLDS_TABLE="folds.csv")
    result = run("train", "r.toml", "--data", "d", "--out", "o", "--folds", "source")
    assert result.exit_code == 0, result.stderr
    assert all(word in result.stdout for word in ("source", "east", "0.500", "west", "0.750"))
    assert f"written to {Path('o', 'folds.csv')}\n" in result.stdout


def test_a_bad_recipe_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> None:
        raise RecipeError("r.toml: unknown key 'epoch',\ndid you mean 'epochs'?")

    put_module(monkeypatch, "spica.training.run", train=train)
    result = run("train", "r.toml", "--data", "d", "--out", "o")
    assert (result.exit_code, result.stderr) == (1, "error: r.toml: unknown key 'epoch', did you mean 'epochs'?\n")


@dataclass(frozen=True)
class Backbone:
    """What a list of backbones holds."""

    name: str
    licence: str | None


def test_backbones_are_listed_in_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def list_backbones(pattern: str, *, details: bool) -> list[Backbone]:
        return [Backbone("torchvision/mobilenet_v2", "BSD" if details else None)] if "mobile" in pattern else []

    put_module(monkeypatch, "spica.model.backbones", list_backbones=list_backbones)
    named, built = run("backbones", "mobile").stdout, run("backbones", "mobile", "--details").stdout
    assert "torchvision/mobilenet_v2" in named
    assert "BSD" in built
    assert ("licence" in named, "licence" in built) == (False, True)  # no column without a value
    nothing = run("backbones", "nonsense")
    assert nothing.exit_code == 1
    assert nothing.stderr == "error: no backbone is named like 'nonsense'; see them all by `spica backbones`\n"


# --- data


def test_a_sound_data_set_passes_its_check(labelled: Path) -> None:
    result = run("data", "check", labelled)
    assert result.exit_code == 0, result.stderr
    assert "4 images (1 without heads), 3 heads" in result.stdout


@pytest.mark.parametrize(("crowds", "told"), [(0, ""), (1, ", 1 box to be ignored"), (2, ", 2 boxes to be ignored")])
def test_the_check_counts_boxes_to_be_ignored(crowds: int, told: str, labelled: Path, tmp_path: Path) -> None:
    assert run("data", "convert", labelled, "--to", "coco", "--out", tmp_path / "coco").exit_code == 0
    file = tmp_path / "coco" / "annotations.json"
    content = json.loads(file.read_text())
    boxes = [{"image_id": 1, "bbox": [20, 20 + number, 9, 9], "iscrowd": 1} for number in range(crowds)]
    file.write_text(json.dumps(content | {"annotations": content["annotations"] + boxes}))
    result = run("data", "check", tmp_path / "coco")
    assert result.exit_code == 0, result.stdout
    assert f"3 heads, 3 sources{told}\n" in result.stdout


def test_a_bad_row_is_a_line_and_exit_1(labelled: Path) -> None:
    with (labelled / "train.csv").open("a") as file:
        file.write('d,40,40,"[2, 2, -3, 10]",y\n')
    result = run("data", "check", labelled)
    assert result.exit_code == 1
    errors = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    assert "train.csv, row 5 (image d): width x height is -3 x 10" in errors[0]
    assert f"{len(errors)} errors" in result.stderr


def test_no_data_set_is_one_line(tmp_path: Path) -> None:
    result = run("data", "check", tmp_path / "gone")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")


def test_split_writes_folds_and_warns_of_random_ones(labelled: Path, tmp_path: Path) -> None:
    result = run("data", "split", labelled, "--folds", 2, "--by", "random", "--out", tmp_path / "folds.csv")
    assert result.exit_code == 0, result.stderr
    assert "flatters" in result.stderr
    assert (tmp_path / "folds.csv").read_text().startswith("image_id,fold\n")
    by_source = run("data", "split", labelled, "--folds", 2, "--out", tmp_path / "folds.csv")
    assert "flatters" not in by_source.stderr
    assert "sources" in by_source.stdout


def test_split_does_not_overwrite_the_labels(labelled: Path) -> None:
    before = (labelled / "train.csv").read_text()
    result = run("data", "split", labelled, "--folds", 2, "--out", labelled / "train.csv")
    assert result.exit_code == 1
    assert "train.csv: is there, and no file of folds; name another file" in result.stderr
    assert (labelled / "train.csv").read_text() == before


@pytest.mark.parametrize("layout", ["kaggle", "gwhd", "coco", "yolo"])
def test_converted_data_sets_pass_their_check(layout: str, labelled: Path, tmp_path: Path) -> None:
    result = run("data", "convert", labelled, "--to", layout, "--out", tmp_path / layout)
    assert result.exit_code == 0, result.stderr
    checked = run("data", "check", tmp_path / layout)
    assert checked.exit_code == 0, checked.stdout
    assert "4 images (1 without heads), 3 heads" in checked.stdout


def test_rendered_fields_pass_their_check(tmp_path: Path) -> None:
    result = run("data", "render", "--images", 2, "--side", 64, "--out", tmp_path / "fields")
    assert result.exit_code == 0, result.stderr
    assert run("data", "check", tmp_path / "fields").exit_code == 0


def test_download_hands_over_its_arguments_and_fails_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def download(name: str, folder: Path, progress: Callable[[int, int], None]) -> None:
        progress(5_000_000, 0)
        raise DownloadError(f"{name} into {folder}: no network")

    monkeypatch.setattr("spica.labels.download.download", download)
    result = run("data", "download", "gwhd2021", "--out", tmp_path)
    assert (result.exit_code, result.stderr) == (1, f"error: gwhd2021 into {tmp_path}: no network\n")
