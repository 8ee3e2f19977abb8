"""Anchors and pooling, against numbers computed by hand."""

import pytest
import torch
from torchvision.models.detection.image_list import ImageList

from spica.model.maps import Level
from spica.model.regions import Anchors, RegionPooling
from spica.model.settings import AnchorSettings, PoolingSettings

SQUARE = AnchorSettings(sizes=((8,),), ratios=(1.0,))


def test_anchors_of_a_padded_network_are_centred_on_multiples_of_the_stride() -> None:
    anchors = Anchors(SQUARE, [Level(16, 4)])
    (boxes,) = anchors(ImageList(torch.zeros(1, 3, 32, 32), [(32, 32)]), [torch.zeros(1, 4, 2, 2)])
    assert boxes.tolist() == [[-4, -4, 4, 4], [12, -4, 20, 4], [-4, 12, 4, 20], [12, 12, 20, 20]]


def test_anchors_of_a_valid_padding_stem_keep_stride_and_offset_whatever_the_size_of_the_map() -> None:
    anchors = Anchors(SQUARE, [Level(32, 4, offset=37.0)])
    # 1024 pixels give Inception 30 cells: 1024 / 30 would make a stride of 34.
    (boxes,) = anchors(ImageList(torch.zeros(1, 3, 1024, 1024), [(1024, 1024)]), [torch.zeros(1, 4, 30, 30)])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert centres[0].tolist() == [37, 37]
    assert centres[-1].tolist() == [37 + 29 * 32, 37 + 29 * 32]


def ramp(level: Level, cells: int) -> torch.Tensor:
    """A map whose two channels hold the x and y that each cell is centred on."""
    places = level.offset + level.stride * torch.arange(cells, dtype=torch.float32)
    return torch.stack([places.expand(cells, cells), places[:, None].expand(cells, cells)])[None]


@pytest.mark.parametrize("offset", [0.0, 7.5, 37.0])
def test_what_is_aligned_under_a_box_is_centred_on_the_box(offset: float) -> None:
    level = Level(16, 2, offset)
    pooling = RegionPooling(PoolingSettings(side=4), [level])
    boxes = [torch.tensor([[80.0, 96.0, 120.0, 150.0]])]
    pooled = pooling({"0": ramp(level, 20)}, boxes, [(320, 320)])
    assert pooled.shape == (1, 2, 4, 4)
    torch.testing.assert_close(pooled.mean(dim=(2, 3)), torch.tensor([[100.0, 123.0]]))


def test_roi_pool_takes_the_largest_value_of_whole_cells() -> None:
    level = Level(16, 2)
    pooling = RegionPooling(PoolingSettings(kind="pool", side=1), [level])
    pooled = pooling({"0": ramp(level, 20)}, [torch.tensor([[80.0, 96.0, 128.0, 160.0]])], [(320, 320)])
    assert pooled.flatten().tolist() == [128, 160]


def test_larger_boxes_are_pooled_from_coarser_levels() -> None:
    levels = [Level(8, 1), Level(16, 1), Level(32, 1)]
    pooling = RegionPooling(PoolingSettings(side=2), levels)
    maps = {
        str(index): torch.full((1, 1, 640 // lv.stride, 640 // lv.stride), float(lv.stride))
        for index, lv in enumerate(levels)
    }
    boxes = torch.tensor([[0.0, 0.0, side, side] for side in (30.0, 112.0, 230.0, 450.0, 639.0)])
    pooled = pooling(maps, [boxes], [(640, 640)])
    # 224 pixels belong to stride 16, twice that to stride 32, as in the pyramid's paper.
    assert pooled[:, 0, 0, 0].tolist() == [8, 8, 16, 32, 32]


def test_photos_without_proposals_pool_nothing() -> None:
    levels = [Level(8, 3), Level(16, 3)]
    maps = {"0": torch.zeros(1, 3, 8, 8), "1": torch.zeros(1, 3, 4, 4)}
    assert RegionPooling(PoolingSettings(), levels)(maps, [torch.zeros(0, 4)], [(64, 64)]).shape == (0, 3, 7, 7)
