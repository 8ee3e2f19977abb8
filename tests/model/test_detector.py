"""The assembled detector: losses, detections, and broken numbers that must not look like no heads."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spica.errors import WeightsError
from spica.model.checkpoint import NetworkDetect, load_detect, load_weights, save_weights
from spica.model.detector import Detector
from spica.model.maps import Level
from spica.model.necks import SimplePyramid, build_neck
from spica.model.settings import (
    AnchorSettings,
    BackboneSettings,
    DetectorSettings,
    HeadSettings,
    NeckSettings,
    PoolingSettings,
)
from spica.prediction.card import Card

CPU = torch.device("cpu")
SCORES = {"validation": {"all": {"score": 0.5}, "north": {"score": 0.25}}}


def settings(name: str, **changes: object) -> DetectorSettings:
    content = {
        "side": 96,
        "backbone": BackboneSettings(name=name, weights="none", batch_norm="train"),
        "neck": NeckSettings(strides=(4, 8), channels=8),
        "anchors": AnchorSettings(sizes=((16,), (24,)), ratios=(1.0,)),
        "head": HeadSettings(channels=16, least_score=0.0, suppression_iou=1.0),
        **changes,
    }
    return DetectorSettings.model_validate(content)


@pytest.fixture
def detector(tiny_backbone: str) -> Detector:
    torch.manual_seed(0)
    return Detector(settings(tiny_backbone)).eval()


def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def target(boxes: list[list[float]]) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
    }


@pytest.mark.parametrize("kind", ["align", "pool"])
def test_losses_are_finite_and_reach_every_weight(tiny_backbone: str, kind: str) -> None:
    torch.manual_seed(0)
    detector = Detector(settings(tiny_backbone, pooling=PoolingSettings.model_validate({"kind": kind}))).train()
    losses = detector(torch.rand(2, 3, 64, 64), [(64, 64)] * 2, [target([[4, 4, 20, 20]]), target([[30, 30, 60, 60]])])
    assert set(losses) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"}
    total = torch.stack(list(losses.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(total)
    assert [name for name, weight in detector.named_parameters() if weight.grad is None] == []


def test_a_photo_without_heads_has_finite_losses(tiny_backbone: str) -> None:
    detector = Detector(settings(tiny_backbone)).train()
    losses = detector(torch.rand(1, 3, 64, 64), [(64, 64)], [target([])])
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_boxes_are_inside_the_photo_and_not_above_the_cap(tiny_backbone: str) -> None:
    torch.manual_seed(0)
    head = HeadSettings(channels=16, least_score=0.0, suppression_iou=1.0, most_boxes=7)
    found = NetworkDetect(Detector(settings(tiny_backbone, head=head)), Card(), CPU)(photo())
    assert len(found) == 7
    assert found.boxes.min() >= 0
    assert (found.boxes <= [96, 64, 96, 64]).all()


def test_boxes_come_in_pixels_of_the_photo_whatever_its_size(detector: Detector) -> None:
    detect = NetworkDetect(detector, Card(), CPU)
    small, large = photo(), photo().repeat(3, axis=0).repeat(3, axis=1)
    # Untrained scores are nearly equal, so only the first few keep their order.
    np.testing.assert_allclose(detect(large).boxes[:2], 3 * detect(small).boxes[:2], atol=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (33, 65), (301, 7)])
def test_photos_of_any_size_are_taken(detector: Detector, size: tuple[int, int]) -> None:
    found = NetworkDetect(detector, Card(), CPU)(np.zeros((*size, 3), np.uint8))
    assert (found.boxes <= [size[1], size[0]] * 2).all()


def test_a_weight_that_is_not_a_number_is_an_error_and_not_a_count_of_none(detector: Detector) -> None:
    detector.get_parameter("neck.fpn.layer_blocks.0.0.weight").data[0, 0, 0, 0] = float("nan")
    with pytest.raises(WeightsError, match=r"weight neck\.fpn\.layer_blocks\.0\.0\.weight holds numbers"):
        NetworkDetect(detector, Card(), CPU)(photo())


def test_a_broken_weight_behind_the_maps_is_an_error_too(detector: Detector) -> None:
    detector.get_parameter("regions.box_predictor.cls_score.weight").data[:] = float("nan")
    with pytest.raises(WeightsError, match=r"weight regions\.box_predictor\.cls_score\.weight holds numbers"):
        NetworkDetect(detector, Card(), CPU)(photo())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_pixel_that_is_not_a_number_is_an_error(detector: Detector, value: float) -> None:
    photos = torch.rand(1, 3, 64, 64)
    photos[0, 1, 30, 30] = value
    with pytest.raises(WeightsError, match="pixels that are not finite"), torch.no_grad():
        detector(photos, [(64, 64)])


def test_weights_come_back_from_their_file_with_card_and_boxes(detector: Detector, tmp_path: Path) -> None:
    card = Card(threshold=0.37, scores=SCORES, backbone="x", licence="MIT", trained_on="2 photos")
    save_weights(tmp_path / "weights.safetensors", detector, card)
    detect = load_detect(tmp_path, "cpu")
    assert detect.card == card
    before = NetworkDetect(detector, card, CPU)(photo())
    np.testing.assert_array_equal(detect(photo()).boxes, before.boxes)
    np.testing.assert_array_equal(detect(photo()).scores, before.scores)


def test_a_folded_backbone_comes_back_folded(tmp_path: Path) -> None:
    chosen = BackboneSettings(name="torchvision/mobilenet_v3_small", batch_norm="folded", transfer="from:features.2")
    torch.manual_seed(0)
    built = Detector(settings("x", backbone=chosen), pretrained=False).eval()
    save_weights(tmp_path / "w.safetensors", built, Card())
    again, _ = load_weights(tmp_path / "w.safetensors")
    assert again.state_dict().keys() == built.state_dict().keys()
    assert not any("running" in name for name in again.state_dict())


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "damaged"), (b"\x10" * 100, "damaged"), (None, "no such weights file")],
)
def test_a_file_that_holds_no_weights_says_so(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "bad.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"bad\.safetensors: .*{message}"):
        load_weights(path)


def test_weights_of_a_backbone_alone_are_told_from_a_detectors(mobilenet_weights: Path) -> None:
    with pytest.raises(WeightsError, match="not weights of Spica"):
        load_weights(mobilenet_weights)


def test_weights_with_broken_numbers_are_refused(detector: Detector, tmp_path: Path) -> None:
    detector.get_parameter("neck.fpn.layer_blocks.0.0.bias").data[0] = float("inf")
    save_weights(tmp_path / "w.safetensors", detector, Card())
    with pytest.raises(WeightsError, match=r"layer_blocks\.0\.0\.bias holds numbers that are not finite"):
        load_detect(tmp_path / "w.safetensors")


def test_a_device_that_is_not_there_is_an_error(detector: Detector, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", detector, Card())
    with pytest.raises(WeightsError, match=r"device 'cuda:99' cannot be used here"):
        load_detect(tmp_path, "cuda:99")


def test_blocks_begin_as_no_change_and_learn(tiny_backbone: str) -> None:
    neck = NeckSettings(strides=(4, 8), channels=8, blocks=2)
    torch.manual_seed(0)
    plain, deep = Detector(settings(tiny_backbone)), Detector(settings(tiny_backbone, neck=neck))
    missing = deep.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing
    assert all(name.startswith("neck.towers.") for name in missing)
    batch = torch.rand(1, 3, 64, 96)
    maps = [one.eval().neck(one.body(batch)) for one in (plain, deep)]
    assert all(torch.equal(*pair) for pair in zip(*maps, strict=True))
    losses = deep.train()(batch, [(64, 96)], [target([[4, 4, 20, 20]])])
    torch.autograd.backward(list(losses.values()))
    last = [weight for name, weight in deep.neck.named_parameters() if name.endswith("0.change.2.1.weight")]
    assert len(last) == 2
    assert all(weight.grad is not None and weight.grad.any() for weight in last)


def test_proposals_are_exact_in_mixed_precision(detector: Detector) -> None:
    batch = torch.rand(1, 3, 64, 96)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, (proposals,), _ = detector.propose(batch, [(64, 96)])
        losses = detector.train()(batch, [(64, 96)], [target([[4.3, 4.2, 20.1, 20.6]])])
    assert proposals.dtype == torch.float32
    assert (proposals != proposals.bfloat16().float()).any()
    assert losses["loss_box_reg"].dtype == torch.float32


def test_a_simple_pyramid_keeps_to_its_settings() -> None:
    level = Level(stride=16, channels=6, offset=0.0)
    plain, separable = (
        build_neck(NeckSettings.model_validate({"strides": (8, 16, 32), "channels": 16, **chosen}), [level])
        for chosen in ({}, {"convolutions": "separable", "blocks": 1})
    )
    assert isinstance(plain, SimplePyramid)
    assert [tuple(grid.shape) for grid in separable([torch.rand(1, 6, 4, 6)])] == [
        (1, 16, 8, 12),
        (1, 16, 4, 6),
        (1, 16, 2, 3),
    ]
    sizes = [{tuple(weight.shape) for weight in neck.parameters()} for neck in (plain, separable)]
    assert (16, 16, 3, 3) in sizes[0]
    assert (16, 16, 3, 3) not in sizes[1]
    assert sum(name.startswith("towers.") for name in separable.state_dict()) == 3 * 6


@pytest.mark.parametrize(
    ("kind", "own", "strides", "message"),
    [
        ("fpn", 16, (24,), r"has 24, but the backbone's only map has stride 16.*powers of two.*16, 32, 64"),
        ("fpn", 16, (10, 20), r"has 10, but"),
        ("fpn", 7, (7, 16), r"has 16, but the backbone's only map has stride 7"),
        ("single", 16, (32,), r"is \[32\], but the backbone's single map has stride 16; set it to \[16\]"),
    ],
)
def test_strides_that_a_backbone_cannot_give_are_refused(
    kind: str, own: int, strides: tuple[int, ...], message: str
) -> None:
    settings = NeckSettings.model_validate({"kind": kind, "strides": strides})
    with pytest.raises(WeightsError, match=message):
        build_neck(settings, [Level(stride=own, channels=6)])
