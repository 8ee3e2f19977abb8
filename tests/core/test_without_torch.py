"""What a plain install can do: run in an environment in which torch is not installed, skipped in any other."""

import csv
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest
from PIL import Image as Pillow

from spica.labels.fields import render_fields
from spica.labels.labelled import Labels

pytestmark = pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed: see `make test-core`")

SPICA = str(Path(sys.executable).with_name("spica"))
LEARNING = ("torch", "torchvision", "timm", "safetensors", "accelerate", "onnx", "spox", "onnxruntime")
MOST_MEGABYTES = 400  # of the core, installed


def spica(*arguments: object) -> CompletedProcess[str]:
    return run([SPICA, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Labels]:
    folder = tmp_path_factory.mktemp("fields") / "data"
    return folder, render_fields(folder, images=7, seed=4, side=640)


def test_nothing_that_learning_needs_is_installed() -> None:
    assert [name for name in LEARNING if find_spec(name) is not None] == []


def test_the_shipped_model_finds_the_heads_of_rendered_fields(fields: tuple[Path, Labels], tmp_path: Path) -> None:
    folder, labels = fields
    done = spica("predict", folder / "train", "--out", tmp_path / "out", "--submission", tmp_path / "s.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "counts.csv").open() as file:
        counts = {row["image"]: int(row["heads"]) for row in csv.DictReader(file)}
    heads = sum(image.heads for image in labels)
    assert len(counts) == len(labels)
    assert 0.7 * heads < sum(counts.values()) < 1.2 * heads
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["model"].startswith("wheat.onnx, sha256 ")
    assert manifest["runtime"].startswith("openvino ")
    scored = spica("evaluate", folder, "--submission", tmp_path / "s.csv", "--out", tmp_path / "scores")
    assert scored.returncode == 0, scored.stderr
    assert "pip install 'spica-wheat[evaluate]'" in scored.stderr
    assert json.loads((tmp_path / "scores" / "evaluation.json").read_text())["overall"]["score"] > 0.3
    assert "</html>" in (tmp_path / "scores" / "report.html").read_text("utf-8")


def test_a_detector_can_be_evaluated(fields: tuple[Path, Labels]) -> None:
    done = spica("evaluate", fields[0], "--no-ap")
    assert done.returncode == 0, done.stderr
    assert "score" in done.stdout


@pytest.mark.parametrize("arguments", [["check", "DATA"], ["split", "DATA", "--out", "OUT.csv"]])
def test_data_sets_can_be_handled(fields: tuple[Path, Labels], tmp_path: Path, arguments: list[str]) -> None:
    places = {"DATA": str(fields[0]), "OUT.csv": str(tmp_path / "folds.csv")}
    done = spica("data", *(places.get(word, word) for word in arguments))
    assert done.returncode == 0, done.stderr


def test_data_sets_can_be_converted(fields: tuple[Path, Labels], tmp_path: Path) -> None:
    for layout in ("coco", "yolo", "gwhd", "kaggle"):
        done = spica("data", "convert", fields[0], "--to", layout, "--out", tmp_path / layout)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "recipe.toml", "--data", "data", "--out", "run"],
        ["export", "run", "--out", "m.onnx"],
        ["backbones"],
        ["predict", "PHOTO", "--out", "OUT", "--weights", "weights.safetensors"],
    ],
)
def test_learning_says_in_one_line_what_it_needs(
    fields: tuple[Path, Labels], tmp_path: Path, arguments: list[str]
) -> None:
    places = {"PHOTO": str(fields[1][0].path), "OUT": str(tmp_path / "out")}
    done = spica(*(places.get(word, word) for word in arguments))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'spica-wheat[train]'" in done.stderr


def test_onnx_runtime_says_how_to_install_it(fields: tuple[Path, Labels], tmp_path: Path) -> None:
    done = spica("predict", fields[1][0].path, "--out", tmp_path / "out", "--device", "onnxruntime")
    assert done.returncode == 1
    assert "pip install 'spica-wheat[onnxruntime]'" in done.stderr


def test_rasters_say_in_one_line_what_they_need(tmp_path: Path) -> None:
    scale, tie_point = 33550, 33922  # tags of a GeoTIFF
    tags = {scale: (0.001, 0.001, 0.0), tie_point: (0.0, 0.0, 0.0, 5e5, 5.5e6, 0.0)}
    Pillow.new("RGB", (64, 64)).save(tmp_path / "ortho.tif", tiffinfo=tags)
    for command in ("predict", "count"):
        done = spica(command, tmp_path / "ortho.tif", "--out", tmp_path / "out")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "pip install 'spica-wheat[geo]'" in done.stderr


def test_the_core_is_small() -> None:
    folder = Path(sys.prefix) / "lib"
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    assert size < MOST_MEGABYTES * 1e6


def test_every_module_but_those_of_learning_can_be_imported() -> None:
    code = """
import importlib, pkgutil, spica
names = [m.name for m in pkgutil.walk_packages(spica.__path__, "spica.", onerror=lambda _: None)]
kept = [n for n in names if not n.startswith(("spica.model", "spica.training"))]
for name in kept:
    importlib.import_module(name)
print(len(kept))
"""
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60


def test_help_and_importing_spica_load_nothing_heavy() -> None:
    code = "import spica, sys; from spica.cli import app; print({'numpy', 'openvino', 'PIL'} & set(sys.modules))"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
