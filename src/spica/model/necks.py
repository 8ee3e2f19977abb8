"""Necks: from a backbone's maps to the maps that both heads look at."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from spica.model.maps import Level
from spica.model.settings import NeckSettings


class Single(nn.Module):
    """The backbone's one map, as it is."""

    def __init__(self, levels: Sequence[Level]) -> None:
        super().__init__()
        (self.level,) = levels
        self.levels = (self.level,)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return the maps unchanged."""
        return maps


def separable(channels: int) -> nn.Sequential:
    """Return a 3 x 3 convolution taken apart: each channel for itself, then all channels of a cell.

    Source: Howard et al., MobileNets, 2017.
    """
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False), nn.Conv2d(channels, channels, 1)
    )


class Pyramid(nn.Module):
    """A feature pyramid over maps of several strides.

    Source: Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017.
    """

    def __init__(self, levels: Sequence[Level], settings: NeckSettings) -> None:
        super().__init__()
        channels = settings.channels
        self.levels = tuple(Level(level.stride, channels, level.offset) for level in levels)
        self.fpn = FeaturePyramidNetwork([level.channels for level in levels], channels)
        if settings.convolutions == "separable":
            self.fpn.layer_blocks = nn.ModuleList(separable(channels) for _ in levels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return one map for each level, all with the same number of channels."""
        named = OrderedDict((str(index), grid) for index, grid in enumerate(maps))
        return list(self.fpn(named).values())


class SimplePyramid(nn.Module):
    """A pyramid from one map, for ViT-like backbones: enlarged or pooled, then two convolutions.

    Source: Li et al., Exploring Plain Vision Transformer Backbones for Object Detection, ECCV 2022.
    """

    def __init__(self, level: Level, strides: Sequence[int], channels: int) -> None:
        super().__init__()
        self.levels = tuple(Level(stride, channels, _offset_of(level, stride)) for stride in strides)
        self.scales = tuple(level.stride / stride for stride in strides)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(level.channels, channels, 1, bias=False),
                nn.GroupNorm(1, channels),  # a layer norm over one photo's map: batches are small
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.GroupNorm(1, channels),
            )
            for _ in strides
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return one map for each stride."""
        (grid,) = maps
        return [branch(_resized(grid, scale)) for branch, scale in zip(self.branches, self.scales, strict=True)]


Neck = Single | Pyramid | SimplePyramid


def build_neck(settings: NeckSettings, levels: Sequence[Level]) -> Neck:
    """Return the neck for a backbone's levels: single, a pyramid, or a simple pyramid where there is one level only."""
    if settings.kind == "single":
        return Single(levels)
    if len(levels) == 1 and settings.strides != (levels[0].stride,):
        return SimplePyramid(levels[0], settings.strides, settings.channels)
    return Pyramid(levels, settings)


def _offset_of(level: Level, stride: int) -> float:
    """Return where the first cell lies after resizing: the left edge of the first cell stays in place."""
    return level.offset + (stride - level.stride) / 2


def _resized(grid: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return grid
    if scale < 1:
        return torch.nn.functional.avg_pool2d(grid, round(1 / scale), ceil_mode=True)
    return torch.nn.functional.interpolate(grid, scale_factor=scale, mode="bilinear", align_corners=False)
