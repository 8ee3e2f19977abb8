"""Regions: the anchors that proposals start from, and the features pooled under a proposal."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import roi_align, roi_pool

from spica.model.maps import Level
from spica.model.settings import AnchorSettings, PoolingSettings

CANONICAL_SIDE, CANONICAL_STRIDE = 224, 16  # a proposal of 224 pixels belongs to stride 16, as in the FPN paper


class Anchors(AnchorGenerator):  # type: ignore[misc]  # torchvision has no types
    """torchvision's anchors, centred where each level declares that its cells lie.

    torchvision divides the photo's size by the map's, which is wrong for stems with valid padding.
    """

    def __init__(self, settings: AnchorSettings, levels: Sequence[Level]) -> None:
        super().__init__(settings.sizes, (settings.ratios,) * len(levels))
        self.levels = tuple(levels)

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Return for each photo all anchors of all levels, (n, 4) in pixels."""
        device = feature_maps[0].device
        self.set_cell_anchors(torch.float32, device)  # in half precision pixels beyond 256 would be rounded
        strides = [[torch.tensor(level.stride, device=device)] * 2 for level in self.levels]
        grids = self.grid_anchors([list(grid.shape[-2:]) for grid in feature_maps], strides)
        anchors = torch.cat([grid + level.offset for grid, level in zip(grids, self.levels, strict=True)])
        return [anchors] * len(image_list.image_sizes)


class RegionPooling(nn.Module):
    """Pools the features under each proposal, from the level that fits its size, into side x side cells.

    Source: He et al., Mask R-CNN, ICCV 2017 (RoIAlign); Girshick, Fast R-CNN, ICCV 2015 (RoIPool); the choice of
    level from Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017, equation 1.
    """

    def __init__(self, settings: PoolingSettings, levels: Sequence[Level]) -> None:
        super().__init__()
        self.settings = settings
        self.levels = tuple(levels)
        self.output_size = (settings.side, settings.side)  # torchvision's box head asks for it

    def forward(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """Return (proposals of all photos, channels, side, side)."""
        del image_sizes  # strides are declared, not guessed from sizes
        maps = list(features.values())
        photo = torch.cat([torch.full_like(boxes[:, :1], index) for index, boxes in enumerate(proposals)])
        boxes = torch.cat(proposals)
        if len(maps) == 1:
            return self._pool(maps[0], photo, boxes, self.levels[0])
        chosen = self._levels_of(boxes)
        pooled = maps[0].new_zeros(len(boxes), maps[0].shape[1], *self.output_size)
        for index, (grid, level) in enumerate(zip(maps, self.levels, strict=True)):
            (rows,) = torch.where(chosen == index)
            pooled[rows] = self._pool(grid, photo[rows], boxes[rows], level).to(pooled.dtype)
        return pooled

    def _levels_of(self, boxes: Tensor) -> Tensor:
        sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=1e-6).sqrt()
        strides = torch.tensor([level.stride for level in self.levels], device=boxes.device, dtype=boxes.dtype)
        wanted = CANONICAL_STRIDE * sides / CANONICAL_SIDE
        return (wanted[:, None].log2().floor() - strides.log2()).abs().argmin(dim=1)

    def _pool(self, grid: Tensor, photo: Tensor, boxes: Tensor, level: Level) -> Tensor:
        grid = grid.float()  # half precision would round where the regions lie
        regions = torch.cat([photo, boxes - level.offset], dim=1).float()
        pooled: Tensor
        if self.settings.kind == "pool":
            pooled = roi_pool(grid, regions, self.output_size, 1 / level.stride)
        else:
            pooled = roi_align(grid, regions, self.output_size, 1 / level.stride, self.settings.sampling)
        return pooled
