"""Loading a detector: the shipped model, a model file or a training; and one line for what cannot be loaded."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import spica
from spica.errors import MissingExtraError, WeightsError
from spica.loading import load_detector
from spica.model.checkpoint import NetworkDetect, save_weights
from spica.model.detector import Detector as Network
from spica.model.settings import AnchorSettings, BackboneSettings, DetectorSettings, NeckSettings
from spica.prediction import shipped
from spica.prediction.card import Card
from spica.prediction.onnxruntime_engine import OnnxRuntimeEngine
from spica.prediction.openvino_engine import OpenVinoEngine
from spica.prediction.runtime import Detector, ModelDetector
from spica.prediction.shipped import shipped_model, weights_path

PHOTO = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.fixture
def run(tiny_backbone: str, tmp_path: Path) -> Path:
    """Return a run folder with an untrained detector."""
    settings = DetectorSettings(
        side=96,
        backbone=BackboneSettings(name=tiny_backbone, weights="none", batch_norm="train"),
        neck=NeckSettings(strides=(4, 8), channels=8),
        anchors=AnchorSettings(sizes=((16,), (24,))),
    )
    torch.manual_seed(0)
    folder = tmp_path / "run"
    folder.mkdir()
    save_weights(folder / "weights.safetensors", Network(settings), Card(threshold=0.3))
    return folder


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the folder of shipped weights that stands in its place."""
    folder = tmp_path / "weights"
    shutil.copytree(shipped._FOLDER, folder)
    monkeypatch.setattr(shipped, "_FOLDER", folder)
    return folder


# --- what is loaded


@pytest.mark.parametrize("name", [None, "wheat"])
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_shipped_model_is_loaded_by_default_and_by_its_name(name: str | None, device: str) -> None:
    detect = load_detector(name, device)
    assert isinstance(detect, ModelDetector)
    assert isinstance(detect.engine, OpenVinoEngine)
    assert detect.name.startswith("wheat.onnx, sha256 ")
    assert 0 < detect.card.threshold < 1
    assert detect.card.side > 0
    assert str(detect.facts["runtime"]).startswith("openvino ")


def test_the_shipped_model_runs_in_onnx_runtime_when_asked_to() -> None:
    detect = load_detector(device="onnxruntime")
    assert isinstance(detect, ModelDetector)
    assert isinstance(detect.engine, OnnxRuntimeEngine)
    assert detect.facts["precision"] == "f32"
    assert (detect(PHOTO).boxes <= [96, 64, 96, 64]).all()


def test_a_model_file_is_loaded_from_a_path_or_its_text() -> None:
    path = shipped_model()
    assert load_detector(path).name == load_detector(str(path)).name == load_detector().name


def test_a_run_folder_or_its_weights_are_loaded_in_torch(run: Path) -> None:
    for path in (run, run / "weights.safetensors", str(run)):
        detect = load_detector(path, "cpu")
        assert isinstance(detect, NetworkDetect)
        assert detect.card.threshold == 0.3
        assert detect.name.startswith("weights.safetensors, sha256 ")
        assert str(detect.facts["runtime"]).startswith("torch ")


def test_everything_that_is_loaded_knows_what_it_is(run: Path) -> None:
    for detect in (load_detector(), load_detector(device="onnxruntime"), load_detector(run, "cpu")):
        assert isinstance(detect, Detector)
        assert detect.workers >= 1
        assert set(detect.facts) >= {"runtime", "precision"}


def test_the_name_tells_two_files_of_one_name_apart(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    assert load_detector(run).name == load_detector(other).name
    detector, card = load_detector(run), Card(threshold=0.31)
    assert isinstance(detector, NetworkDetect)
    save_weights(other / "weights.safetensors", detector.detector, card)
    assert load_detector(run).name != load_detector(other).name


def test_the_package_offers_it() -> None:
    assert spica.load_detector is load_detector


# --- what is not


def test_a_model_file_has_three_devices() -> None:
    with pytest.raises(WeightsError, match=r"device 'cuda': a model file runs on auto, cpu or onnxruntime; .*run"):
        load_detector(shipped_model(), "cuda")


def test_a_training_runs_on_the_devices_of_torch(run: Path) -> None:
    with pytest.raises(WeightsError, match=r"run: device onnxruntime runs model files; make one by `spica export`"):
        load_detector(run, "onnxruntime")
    for device in ("cuda:99", "fpga"):
        with pytest.raises(WeightsError, match=rf"device '{device}' cannot be used here"):
            load_detector(run, device)


@pytest.mark.parametrize("name", ["gone.onnx", "gone.safetensors", "gone"])
def test_a_missing_file_is_one_line_with_its_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"{name}: ") as caught:
        load_detector(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["bad.onnx", "bad.safetensors"])
def test_a_file_of_something_else_is_one_line_with_its_path(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("<html>404</html>")
    with pytest.raises(WeightsError, match=rf"{name}: damaged") as caught:
        load_detector(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_without_onnx_runtime_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spica-wheat\[onnxruntime\]', or use device cpu"):
        load_detector(device="onnxruntime")


# --- the files in the package


def test_shipped_files_are_whole() -> None:
    assert shipped_model().name == "wheat.onnx"
    assert weights_path("wheat").name == "wheat.safetensors"
    assert weights_path("run/weights.safetensors") == Path("run/weights.safetensors")


def test_a_damaged_shipped_model_is_not_loaded(own_package: Path) -> None:
    content = bytearray((own_package / "wheat.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (own_package / "wheat.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"wheat\.onnx: is damaged \(its digest .*install Spica again"):
        load_detector()
    assert weights_path("wheat") == own_package / "wheat.safetensors"  # which is another file


def test_files_in_each_others_place_are_not_loaded(own_package: Path) -> None:
    shutil.copy(own_package / "wheat.safetensors", own_package / "wheat.onnx")
    with pytest.raises(WeightsError, match=r"wheat\.onnx: is damaged"):
        load_detector()


@pytest.mark.parametrize("missing", ["wheat.onnx", "SHA256SUMS"])
def test_a_missing_shipped_file_is_one_line(missing: str, own_package: Path) -> None:
    (own_package / missing).unlink()
    with pytest.raises(WeightsError, match=rf"{missing}: cannot be read .*install Spica again"):
        load_detector()
