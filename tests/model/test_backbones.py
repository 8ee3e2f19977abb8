"""Backbones: every library and family gives maps, and what cannot be used says why."""

from pathlib import Path

import pytest
import timm
import torch
import torchvision.models
from safetensors.torch import save_file
from torch import Tensor

from spica.errors import MissingExtraError, WeightsError
from spica.model.backbones import build_body, list_backbones
from spica.model.detector import Detector
from spica.model.settings import AnchorSettings, BackboneSettings, DetectorSettings, NeckSettings


def untrained(name: str) -> BackboneSettings:
    return BackboneSettings(name=name, weights="none", batch_norm="train")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torchvision/mobilenet_v2", [(4, 24), (8, 32), (16, 96), (32, 1280)]),
        ("torchvision/resnet18", [(4, 64), (8, 128), (16, 256), (32, 512)]),
        ("torchvision/squeezenet1_1", [(4, 128), (8, 256), (16, 512)]),
        ("torchvision/alexnet", [(8, 192), (16, 256), (32, 256)]),
        ("torchvision/shufflenet_v2_x0_5", [(4, 24), (8, 48), (16, 96), (32, 1024)]),
        ("torchvision/regnet_y_400mf", [(8, 104), (16, 208), (32, 440)]),
        ("timm/mobilenetv4_conv_small", [(8, 64), (16, 96), (32, 960)]),
        ("timm/convnext_atto", [(4, 40), (8, 80), (16, 160), (32, 320)]),
    ],
)
def test_a_classifier_gives_the_last_map_of_each_stride(name: str, expected: list[tuple[int, int]]) -> None:
    body = build_body(untrained(name), tuple(stride for stride, _ in expected)).eval()
    assert [(level.stride, level.channels) for level in body.levels] == expected
    with torch.no_grad():
        shapes = [grid.shape for grid in body(torch.zeros(1, 3, 128, 192))]
    assert [shape[1] for shape in shapes] == [channels for _, channels in expected]


def test_maps_that_come_with_channels_last_are_turned() -> None:
    body = build_body(untrained("torchvision/swin_t"), (4, 8)).eval()
    with torch.no_grad():
        assert [tuple(grid.shape) for grid in body(torch.zeros(1, 3, 64, 96))] == [(1, 96, 16, 24), (1, 192, 8, 12)]


def test_the_starting_systems_single_map_is_the_last_one_of_the_features(mobilenet_weights: Path) -> None:
    from safetensors.torch import load_file
    from torchvision.models import mobilenet_v2

    settings = BackboneSettings(weights=str(mobilenet_weights), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    body = build_body(settings, (32,)).eval()
    network = mobilenet_v2(weights=None).eval()
    network.load_state_dict(load_file(mobilenet_weights))
    photos = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(body(photos)[0], network.features(photos))
    assert body.origin.mean == (0.5, 0.5, 0.5)


def test_a_vision_transformer_gives_a_pyramid_and_detects_on_photos_of_any_size() -> None:
    settings = DetectorSettings(
        side=96,
        backbone=untrained("timm/vit_tiny_patch16_224"),
        neck=NeckSettings(strides=(8, 16, 32), channels=16),
        anchors=AnchorSettings(sizes=((16,), (32,), (64,))),
    )
    detector = Detector(settings).eval()
    assert [level.offset for level in detector.neck.levels][1] >= 0
    with torch.no_grad():
        assert len(detector(torch.rand(1, 3, 96, 160), [(96, 160)])) == 1


def test_a_vision_transformer_runs_to_its_last_block() -> None:
    body = build_body(untrained("timm/vit_tiny_patch16_224"), (16,))
    assert body.stage_names[-1] == "blocks.11"
    assert sum(weight.numel() for weight in body.parameters()) == 5_524_032  # without the last norm and classifier


HALVES = (0.5, 0.5, 0.5)


def kept(name: str, tensors: dict[str, Tensor], folder: Path) -> BackboneSettings:
    """Settings of a timm model whose weights are these, in a local file."""
    path = folder / "weights.safetensors"
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path)
    return BackboneSettings(name=f"timm/{name}", weights=str(path), mean=HALVES, std=HALVES)


@pytest.mark.parametrize(
    ("name", "last"),  # timm wraps the first, and joins the names of the second
    [("vit_tiny_patch16_224", "blocks.11.mlp.fc2.weight"), ("convnext_atto", "stages.3.blocks.1.mlp.fc2.weight")],
)
def test_every_weight_of_a_local_file_reaches_a_timm_model(name: str, last: str, tmp_path: Path) -> None:
    known = {key: torch.full_like(value, 7.0) for key, value in timm.create_model(name).state_dict().items()}
    known[last] = torch.full_like(known[last], 8.0)
    body = build_body(kept(name, known, tmp_path), None, pretrained=True)
    found = body.state_dict()
    assert all(((value == 7.0) | (value == 8.0)).all() for value in found.values())
    assert sum(bool((value == 8.0).all()) for value in found.values()) == 1
    assert body.origin.weights == "weights.safetensors"


@pytest.mark.parametrize("flaw", ["missing", "left over", "cut off", "of another"])
def test_a_local_file_that_does_not_fit_a_timm_model_says_so(flaw: str, tmp_path: Path) -> None:
    known = dict(timm.create_model("vit_tiny_patch16_224").state_dict())
    if flaw == "missing":
        del known["blocks.5.norm1.weight"]
    if flaw == "left over":
        known["module.blocks.5.norm1.weight"] = torch.zeros(1)
    if flaw == "of another":
        known = dict(timm.create_model("convnext_atto").state_dict())
    settings = kept("vit_tiny_patch16_224", known, tmp_path)
    if flaw == "cut off":
        path = Path(settings.weights)
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="does not fit backbone timm/vit_tiny_patch16_224, expected each of its"):
        build_body(settings, (16,))


def test_a_network_that_normalises_by_itself_gives_the_same_maps_once_reloaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = torchvision.models.googlenet(weights=None, init_weights=False).state_dict()
    monkeypatch.setattr(torchvision.models.GoogLeNet_Weights, "get_state_dict", lambda *_, **__: known)
    settings = BackboneSettings(name="torchvision/googlenet")
    body, reloaded = (build_body(settings, (8,), pretrained=pretrained).eval() for pretrained in (True, False))
    reloaded.load_state_dict(body.state_dict())
    photos = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(body(photos)[0], reloaded(photos)[0])
    assert (body.origin.mean, body.origin.std) == (HALVES, HALVES)  # what its weights were trained with


def test_a_network_of_the_users_own_gives_its_maps(tiny_backbone: str) -> None:
    body = build_body(untrained(tiny_backbone), (4, 8))
    assert [(level.stride, level.channels, level.offset) for level in body.levels] == [(4, 8, 1.5), (8, 8, 1.5)]
    assert body.stage_names[0] == "network.fine.0" or body.stage_names[0] == "fine.0"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", r"expected torchvision/NAME, timm/NAME"),
        ("torchvision/resnet17", r"torchvision has no classifier 'resnet17'"),
        ("timm/resnet17", r"timm has no model 'resnet17'"),
        ("torchvision/vit_b_16", r"takes photos of one size only"),
        ("no_such_package:build", r"cannot be imported"),
        ("json:dumps_nothing", r"cannot be imported"),
        ("builtins:dict", r"returned dict, expected torch\.nn\.Module"),
    ],
)
def test_a_backbone_that_cannot_be_used_says_why(name: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        build_body(untrained(name), (8, 16, 32))


def test_a_stride_that_a_network_does_not_have_is_an_error() -> None:
    with pytest.raises(WeightsError, match=r"squeezenet1_1 has no map of stride 32; it has 2, 4, 8, 16"):
        build_body(untrained("torchvision/squeezenet1_1"), (16, 32))


def test_pretrainedmodels_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pretrainedmodels", None)
    with pytest.raises(MissingExtraError, match="pip install pretrainedmodels"):
        build_body(untrained("pretrainedmodels/nasnetamobile"), (32,))


@pytest.mark.parametrize(
    ("weights", "message"),
    [("missing.safetensors", "no such file"), ("weights.pth", r"expected default, none, or a \.safetensors file")],
)
def test_weights_files_that_cannot_be_used_say_why(weights: str, message: str) -> None:
    settings = BackboneSettings(weights=weights, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    with pytest.raises(WeightsError, match=message):
        build_body(settings, (32,))


def test_a_weights_file_needs_its_normalisation(mobilenet_weights: Path) -> None:
    with pytest.raises(WeightsError, match=r"backbone\.mean and backbone\.std are missing"):
        build_body(BackboneSettings(weights=str(mobilenet_weights)), (32,))


def test_a_weights_file_of_another_network_says_so(mobilenet_weights: Path) -> None:
    settings = BackboneSettings(
        name="torchvision/resnet18", weights=str(mobilenet_weights), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    with pytest.raises(WeightsError, match=r"does not fit backbone torchvision/resnet18"):
        build_body(settings, (32,))


def test_the_catalogue_lists_every_library_with_licences() -> None:
    found = {info.name: info for info in list_backbones()}
    assert found["torchvision/mobilenet_v2"].weights == "IMAGENET1K_V2"
    assert found["timm/resnet18"].licence == "apache-2.0"
    assert any("nc" in info.licence for info in found.values())  # weights that not everybody may use


def test_the_catalogues_details_are_those_of_the_built_network() -> None:
    (info,) = list_backbones("torchvision/squeezenet1_1", details=True)
    assert (info.strides, info.channels) == ("2, 4, 8, 16", "64, 128, 256, 512")
