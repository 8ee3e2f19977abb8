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
