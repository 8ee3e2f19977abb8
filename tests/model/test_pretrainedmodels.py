"""Networks of the package pretrainedmodels, where it is installed."""

import copy

import pytest
import torch

from spica.model.backbones import build_body
from spica.model.settings import BackboneSettings

pytest.importorskip("pretrainedmodels", reason="pretrainedmodels is not installed", exc_type=ImportError)


@pytest.mark.parametrize("name", ["alexnet", "nasnetamobile", "bninception"])
def test_an_old_network_gives_maps_and_its_copy_gives_its_own(name: str) -> None:
    settings = BackboneSettings(name=f"pretrainedmodels/{name}", weights="none", batch_norm="train")
    body = build_body(settings, (16, 32)).eval()
    copied = copy.deepcopy(body)
    for weight in copied.parameters():
        weight.data.zero_()
    photos = torch.rand(1, 3, 96, 128)
    with torch.no_grad():
        maps, copied_maps = body(photos), copied(photos)
    assert [grid.shape[1] for grid in maps] == [level.channels for level in body.levels]
    assert maps[-1].abs().max() > 0
    assert all(grid.shape == other.shape for grid, other in zip(maps, copied_maps, strict=True))
    assert copied_maps[-1].abs().max() == 0


@pytest.mark.parametrize("name", ["bninception", "resnet18"])
def test_photos_reach_an_old_network_with_the_colours_and_range_it_was_trained_with(name: str) -> None:
    from pretrainedmodels import pretrained_settings

    from spica.model.backbones.pretrainedmodels_models import _origin

    trained = pretrained_settings[name]["imagenet"]
    origin = _origin(torch.nn.Identity(), trained, BackboneSettings(name=f"pretrainedmodels/{name}"))
    white = torch.ones(3)
    ours = (white - torch.tensor(origin.mean)) / torch.tensor(origin.std)
    if trained["input_space"] == "BGR":
        ours = ours.flip(0)
    theirs = (white * trained["input_range"][1] - torch.tensor(trained["mean"])) / torch.tensor(trained["std"])
    torch.testing.assert_close(ours, theirs)
