"""Model files: the same boxes as torch in both engines, and broken numbers that do not look like no heads."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from spica.detections import Detect, Detections
from spica.errors import WeightsError
from spica.image import Image
from spica.model import export as exporting
from spica.model.checkpoint import NetworkDetect, load_weights, save_weights
from spica.model.detector import Detector
from spica.model.export import SAME_PIXELS, SAME_SCORE, common_part, export, same_part
from spica.model.settings import (
    AnchorSettings,
    BackboneSettings,
    DetectorSettings,
    HeadSettings,
    NeckSettings,
    PoolingSettings,
    ProposalSettings,
)
from spica.prediction.card import Card
from spica.prediction.modelfile import read_card
from spica.prediction.onnxruntime_engine import OnnxRuntimeEngine
from spica.prediction.openvino_engine import MOST_SIZES, OpenVinoEngine
from spica.prediction.runtime import Engine, ModelDetector

CPU = torch.device("cpu")
SIDE = 96
SIZES = [(96, 64), (64, 96), (97, 61), (33, 40), (200, 150), (301, 7)]  # width, height
ENGINES: dict[str, Callable[[Path], Engine]] = {
    "openvino": lambda path: OpenVinoEngine(path, precision="f32"),
    "onnxruntime": OnnxRuntimeEngine,
}
SINGLE = {"neck": NeckSettings(kind="single", strides=(8,)), "anchors": AnchorSettings(sizes=((16, 24),))}
SEPARABLE = {
    "neck": NeckSettings(strides=(4, 8), channels=8, convolutions="separable", blocks=1),
    "proposals": ProposalSettings(convolutions="separable", before_suppression=300, detect=150),
}
VOTING = {"head": HeadSettings(channels=128, least_score=0.05, voting_iou=0.6)}
REFINING = {"head": HeadSettings(channels=64, least_score=0.05, refine_iou=0.6)}
NARROW = {"pooling": PoolingSettings(channels=4)}
KINDS: dict[str, dict[str, Any]] = {
    "two levels": {},
    "single": SINGLE,
    "separable": SEPARABLE,
    "voting": VOTING,
    "narrow": NARROW,
    "two stages": REFINING,
    "two stages on one map": SINGLE | REFINING,
}
# Random weights give heaps of equal boxes. Suppressed three times over, some lie right at a limit and go either way.
MOST_OTHERS = {"two stages": 4, "two stages on one map": 4}  # of both lists, which have up to 90 boxes each
CARD = Card(threshold=0.4, licence="MIT", trained_on="nothing", scores={"validation": {"all": {"score": 0.25}}})


def settings(name: str, changes: dict[str, Any]) -> DetectorSettings:
    content = {
        "side": SIDE,
        "backbone": BackboneSettings(name=name, weights="none", batch_norm="train"),
        "neck": NeckSettings(strides=(4, 8), channels=8),
        "anchors": AnchorSettings(sizes=((12, 16), (24, 36)), ratios=(0.5, 1.0)),
        "proposals": ProposalSettings(before_suppression=300, detect=150),
        "head": HeadSettings(channels=128, least_score=0.05),
        **changes,
    }
    return DetectorSettings.model_validate(content)


def decided(detector: Detector) -> Detector:
    """Return a detector whose scores are far apart, as those of a trained one are."""
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        detector.proposals.head.cls_logits.weight.mul_(30)
        detector.proposals.head.bbox_pred.weight.mul_(8)
        for _, last in detector.regions.stages():
            last.cls_score.weight.mul_(12)
        detector.regions.box_predictor.bbox_pred.weight.mul_(8)  # the second stage moves less, and errs less by it
    return detector


@dataclass(frozen=True)
class Exported:
    """Weights of a detector, its model files, and what torch finds with the weights in each."""

    weights: Path
    full: Path
    half: Path

    def file(self, *, half: bool) -> Path:
        return self.half if half else self.full

    def torch(self, *, half: bool) -> NetworkDetect:
        detector, card = load_weights(self.weights)
        if half:
            exporting._round_to_half(detector)
        return NetworkDetect(detector, card, CPU)


def exported(folder: Path, backbone: str, changes: dict[str, Any]) -> Exported:
    torch.manual_seed(1)
    detector = decided(Detector(settings(backbone, changes)))
    made = Exported(folder / "weights.safetensors", folder / "full.onnx", folder / "half.onnx")
    save_weights(made.weights, detector, CARD)
    export(made.weights, made.full, half=False)
    export(made.weights, made.half, half=True)
    return made


@pytest.fixture(scope="module")
def all_exported(lasting_backbone: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    return {
        kind: exported(tmp_path_factory.mktemp("exported"), lasting_backbone, changes)
        for kind, changes in KINDS.items()
    }


@pytest.fixture(scope="module")
def two_levels(all_exported: dict[str, Exported]) -> Exported:
    return all_exported["two levels"]


def painted(width: int, height: int, seed: int = 0) -> Image:
    """Return a photo with bright rectangles on a dark ground."""
    random = np.random.default_rng((width, height, seed))
    photo = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
    for _ in range(6):
        left, top = int(random.integers(width)), int(random.integers(height))
        photo[top : top + height // 4 + 1, left : left + width // 4 + 1] = random.integers(120, 255, 3, dtype=np.uint8)
    return photo


def loaded(path: Path, engine: str) -> ModelDetector:
    return ModelDetector(ENGINES[engine](path), read_card(path), path.name)


# --- the same boxes


@pytest.mark.parametrize("half", [False, True], ids=["full", "half"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_file_finds_the_boxes_that_torch_finds(
    kind: str, engine: str, half: bool, all_exported: dict[str, Exported]
) -> None:
    made = all_exported[kind]
    original, detect = made.torch(half=half), loaded(made.file(half=half), engine)
    count = 0
    for size in SIZES:
        photo = painted(*size)
        wanted, found = original(photo), detect(photo)
        others = (1 - same_part(wanted, found)) * (len(wanted) + len(found))
        assert others < MOST_OTHERS.get(kind, 0) + 0.5, size
        assert len(wanted) == len(found) or kind in MOST_OTHERS, size
        assert found.capped == wanted.capped
        count += len(wanted)
    assert count > 100


def test_both_engines_find_the_same_to_a_hair(two_levels: Exported) -> None:
    first, second = (loaded(two_levels.full, engine) for engine in ENGINES)
    for size in SIZES:
        photo = painted(*size, seed=5)
        assert same_part(first(photo), second(photo)) == 1


def test_boxes_come_in_pixels_of_the_photo_and_inside_it(two_levels: Exported) -> None:
    detect = loaded(two_levels.half, "openvino")
    for width, height in (*SIZES, (1, 1), (1, 500)):
        boxes = detect(painted(width, height)).boxes
        assert (boxes >= 0).all()
        assert (boxes <= np.array([width, height] * 2) + 1e-3).all()


def test_a_file_takes_photos_of_any_size_as_torch_does(two_levels: Exported) -> None:
    """The file resizes by itself, for other programs; Spica gives it photos of the network's size."""
    original, engine = two_levels.torch(half=False), OnnxRuntimeEngine(two_levels.full)
    for size in SIZES[:-1]:  # of a photo 7 pixels high, the ways to resize make something else
        photo = painted(*size)
        output = engine(photo)
        assert same_part(original(photo), Detections(output.boxes, output.scores, output.capped)) >= 0.95, size


def test_more_sizes_than_are_kept_compiled_give_what_they_gave_before(two_levels: Exported) -> None:
    detect = loaded(two_levels.full, "openvino")
    photos = [painted(SIDE, SIDE - 3 * number) for number in range(MOST_SIZES + 2)]
    before = [detect(photo) for photo in photos]
    engine = detect.engine
    assert isinstance(engine, OpenVinoEngine)
    assert len(engine._requests) == MOST_SIZES
    for photo, found in zip(photos, before, strict=True):
        again = detect(photo)
        np.testing.assert_array_equal(again.boxes, found.boxes)
        np.testing.assert_array_equal(again.scores, found.scores)


def test_what_was_found_is_not_changed_by_the_next_photo(two_levels: Exported) -> None:
    """The engine's memory is used again for every photo."""
    engine = OpenVinoEngine(two_levels.full, precision="f32")
    output = engine(painted(SIDE, 64, 1))
    boxes, scores = output.boxes.copy(), output.scores.copy()
    engine(painted(SIDE, 64, 2))
    np.testing.assert_array_equal(output.boxes, boxes)
    np.testing.assert_array_equal(output.scores, scores)


# --- the number of boxes


@pytest.mark.parametrize(
    ("most", "detect", "least_score", "count", "capped"),
    [(7, 150, 0.0, 7, True), (1000, 7, 0.01, 7, True), (1000, 7, 0.0, 7, False)],
    ids=["most boxes", "more proposals than are looked at", "proposals without a least score say nothing"],
)
def test_torch_and_the_file_agree_whether_there_may_be_more_boxes(
    most: int, detect: int, least_score: float, count: int, capped: bool, lasting_backbone: str, tmp_path: Path
) -> None:
    head = HeadSettings(channels=128, least_score=0.0, suppression_iou=1.0, most_boxes=most)
    proposals = ProposalSettings(before_suppression=300, detect=detect, least_score=least_score)
    made = exported(tmp_path, lasting_backbone, {"head": head, "proposals": proposals})
    photo = painted(96, 64)
    detectors: list[Detect] = [made.torch(half=False), *(loaded(made.full, engine) for engine in ENGINES)]
    for find in detectors:
        found = find(photo)
        assert (len(found), found.capped) == (count, capped)


def test_fewer_boxes_than_there_can_be_are_not_capped(two_levels: Exported) -> None:
    detectors: list[Detect] = [two_levels.torch(half=True), *(loaded(two_levels.half, engine) for engine in ENGINES)]
    for detect in detectors:
        found = detect(painted(96, 64))
        assert 0 < len(found) < 150
        assert not found.capped


def test_a_photo_without_any_proposal_has_no_detections(lasting_backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    none = ProposalSettings(least_score=1.0)
    for kind, changes in (("fpn", {}), ("single", SINGLE)):
        folder = tmp_path / kind
        folder.mkdir()
        detector = Detector(settings(lasting_backbone, {**changes, "proposals": none}))
        save_weights(folder / "w.safetensors", detector, CARD)
        export(folder / "w.safetensors", folder / "m.onnx")
        assert len(NetworkDetect(detector, CARD, CPU)(painted(96, 64))) == 0
        for engine in ENGINES:
            found = loaded(folder / "m.onnx", engine)(painted(96, 64))
            assert (len(found), found.capped) == (0, False)


# --- the file


def test_the_file_holds_the_card_with_the_side_of_the_network(two_levels: Exported) -> None:
    card = read_card(two_levels.half)
    assert (card.side, card.threshold, card.licence, card.scores) == (SIDE, 0.4, "MIT", CARD.scores)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_file_needs_nothing_but_the_standard_operators_of_onnx(
    kind: str, half: bool, all_exported: dict[str, Exported]
) -> None:
    model = onnx.load(all_exported[kind].file(half=half))
    onnx.checker.check_model(model, full_check=True)
    standard = {"", "ai.onnx"}
    assert {one.domain for one in model.opset_import} <= standard
    assert {node.domain for node in model.graph.node} <= standard
    assert not model.functions
    assert [one.name for one in model.graph.input] == ["photo"]
    assert [one.name for one in model.graph.output] == ["boxes", "scores", "capped", "sound"]


def test_half_precision_halves_the_file(two_levels: Exported) -> None:
    weights = sum(4 * int(np.prod(tensor.dims)) for tensor in learnt(onnx.load(two_levels.full)))
    saved = two_levels.full.stat().st_size - two_levels.half.stat().st_size
    assert 0.45 * weights < saved <= 0.5 * weights  # each halved tensor costs a node of the graph
    held = {tensor.data_type for tensor in onnx.load(two_levels.half).graph.initializer if np.prod(tensor.dims) > 1000}
    assert held == {onnx.TensorProto.FLOAT16}


def test_an_export_is_the_same_twice(two_levels: Exported, tmp_path: Path) -> None:
    export(two_levels.weights, tmp_path / "half.onnx")
    assert (tmp_path / "half.onnx").read_bytes() == two_levels.half.read_bytes()


# --- what must not look like a photo without heads


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_weight_that_is_not_a_number_is_an_error_wherever_it_stands(
    value: float, engine: str, two_levels: Exported, tmp_path: Path
) -> None:
    model, photo = onnx.load(two_levels.full), painted(96, 64)
    silent = []
    for place, tensor in enumerate(learnt(model)):
        broken = onnx.ModelProto()
        broken.CopyFrom(model)
        numbers = numpy_helper.to_array(tensor).copy()
        numbers.reshape(-1)[0] = value
        learnt(broken)[place].CopyFrom(numpy_helper.from_array(numbers, tensor.name))
        path = tmp_path / "broken.onnx"
        path.write_bytes(broken.SerializeToString())
        with suppress(WeightsError):
            loaded(path, engine)(photo)
            silent.append(tensor.name)
    assert silent == []


def learnt(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Return the weights in a model: its float tensors with two axes or more, in initializers and constants."""
    constants = [part.t for node in model.graph.node if node.op_type == "Constant" for part in node.attribute]
    return [
        tensor
        for tensor in (*model.graph.initializer, *constants)
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) >= 2 and np.prod(tensor.dims) >= 64
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_that_is_no_model_is_one_line(engine: str, two_levels: Exported, tmp_path: Path) -> None:
    content = two_levels.half.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.onnx").write_text("no model at all")
    for name in ("cut.onnx", "text.onnx", "gone.onnx"):
        with pytest.raises(WeightsError, match=rf"{name}: cannot be read by .*; export it again") as caught:
            ENGINES[engine](tmp_path / name)
        assert "\n" not in str(caught.value)


def test_broken_weights_are_not_exported(lasting_backbone: str, tmp_path: Path) -> None:
    detector = Detector(settings(lasting_backbone, {}))
    detector.get_parameter("regions.box_predictor.cls_score.bias").data[0] = float("nan")
    save_weights(tmp_path / "w.safetensors", detector, CARD)
    with pytest.raises(WeightsError, match="numbers that are not finite"):
        export(tmp_path / "w.safetensors", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_what_cannot_be_exported_leaves_no_file(lasting_backbone: str, tmp_path: Path) -> None:
    pooling = PoolingSettings(kind="pool")  # RoIPool is no operator of ONNX's opset 18
    torch.manual_seed(1)
    save_weights(tmp_path / "w.safetensors", decided(Detector(settings(lasting_backbone, {"pooling": pooling}))), CARD)
    with pytest.raises(WeightsError):
        export(tmp_path / "w.safetensors", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_file_that_gives_other_boxes_than_torch_is_refused(
    two_levels: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spica.model.graph.LEAST_BOX", 30.0)  # boxes that torch keeps are left out
    with pytest.raises(WeightsError, match=r"other boxes than torch: only \d+\.\d% are the same"):
        export(two_levels.weights, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def boxes_at(*lefts: float, score: float = 0.5) -> Detections:
    rows = np.array([[left, 0, left + 9, 9] for left in lefts], dtype=np.float32).reshape(-1, 4)
    return Detections(rows, np.full(len(rows), score, dtype=np.float32))


def test_the_same_part_counts_boxes_of_either_that_the_other_lacks() -> None:
    assert same_part(boxes_at(), boxes_at()) == 1
    assert same_part(boxes_at(1), boxes_at()) == same_part(boxes_at(), boxes_at(1)) == 0
    assert same_part(boxes_at(1, 5), boxes_at(5, 1)) == 1
    assert same_part(boxes_at(1, 5), boxes_at(1)) == pytest.approx(2 / 3)
    assert same_part(boxes_at(1), boxes_at(1 + 0.9 * SAME_PIXELS)) == 1
    assert same_part(boxes_at(1), boxes_at(1 + 1.1 * SAME_PIXELS)) == 0
    assert same_part(boxes_at(1), boxes_at(1, score=0.5 + 1.1 * SAME_SCORE)) == 0


def test_a_photo_with_few_boxes_weighs_little() -> None:
    many, few = boxes_at(*range(0, 400, 10)), boxes_at(1, 51)
    assert common_part([(many, many), (few, boxes_at(1))]) == pytest.approx(82 / 83)
    assert common_part([(many, many), (boxes_at(), boxes_at())]) == 1
    assert common_part([(many, boxes_at()), (few, few)]) == pytest.approx(4 / 44)
    assert common_part([(boxes_at(), boxes_at())]) == 1
