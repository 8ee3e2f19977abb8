"""Necks: from a backbone's maps to the maps that both heads look at."""

from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from spica.errors import WeightsError
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


class Residual(nn.Module):
    """Two separable convolutions whose result is added to the map; it begins as no change at all.

    Source: He et al., Deep Residual Learning, CVPR 2016; begun with zeros as in Goyal et al., 2017.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = separable(channels), separable(channels)
        for weight in second[-1].parameters():
            nn.init.zeros_(weight)
        self.change = nn.Sequential(first, nn.ReLU(inplace=True), second)

    def forward(self, grid: Tensor) -> Tensor:
        """Return the map (n, channels, height, width) with what was learnt added."""
        changed: Tensor = grid + self.change(grid)
        return changed


def _convolution(channels: int, settings: NeckSettings) -> nn.Module:
    if settings.convolutions == "separable":
        return separable(channels)
    return nn.Conv2d(channels, channels, 3, padding=1, bias=False)


def _towers(levels: int, settings: NeckSettings) -> nn.ModuleList:
    """Return for each level the blocks that its map goes through last."""
    return nn.ModuleList(
        nn.Sequential(*(Residual(settings.channels) for _ in range(settings.blocks))) for _ in range(levels)
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
        self.towers = _towers(len(levels), settings)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return one map for each level, all with the same number of channels."""
        named = OrderedDict((str(index), grid) for index, grid in enumerate(maps))
        return [tower(grid) for tower, grid in zip(self.towers, self.fpn(named).values(), strict=True)]


class SimplePyramid(nn.Module):
    """A pyramid from one map, for ViT-like backbones: enlarged or pooled, then two convolutions.

    Source: Li et al., Exploring Plain Vision Transformer Backbones for Object Detection, ECCV 2022.
    """

    def __init__(self, level: Level, settings: NeckSettings) -> None:
        super().__init__()
        strides, channels = settings.strides, settings.channels
        self.levels = tuple(Level(stride, channels, _offset_of(level, stride)) for stride in strides)
        self.scales = tuple(level.stride / stride for stride in strides)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(level.channels, channels, 1, bias=False),
                nn.GroupNorm(1, channels),  # a layer norm over one photo's map: batches are small
                _convolution(channels, settings),
                nn.GroupNorm(1, channels),
            )
            for _ in strides
        )
        self.towers = _towers(len(strides), settings)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return one map for each stride."""
        (grid,) = maps
        return [
            tower(branch(_resized(grid, scale)))
            for branch, tower, scale in zip(self.branches, self.towers, self.scales, strict=True)
        ]


Neck = Single | Pyramid | SimplePyramid


def build_neck(settings: NeckSettings, levels: Sequence[Level]) -> Neck:
    """Return the neck for a backbone's levels: single, a pyramid, or a simple pyramid where there is one level only.

    Raises:
        WeightsError: if the backbone cannot give maps of the strides asked for.
    """
    if settings.kind == "single":
        _require_own(levels[0].stride, settings.strides)
        return Single(levels)
    if len(levels) == 1 and settings.strides != (levels[0].stride,):
        _require_powers(levels[0].stride, settings.strides)
        return SimplePyramid(levels[0], settings)
    return Pyramid(levels, settings)


def _require_own(own: int, strides: tuple[int, ...]) -> None:
    if strides != (own,):
        raise WeightsError(
            f"neck.strides is {list(strides)}, but the backbone's single map has stride {own}; set it to [{own}]"
        )


def _require_powers(own: int, strides: tuple[int, ...]) -> None:
    """Do nothing if each stride is that of the backbone's map, times or divided by a power of two.

    Raises:
        WeightsError: if one is not.
    """
    for stride in strides:
        ratio = Fraction(stride, own)
        if (ratio.numerator * ratio.denominator).bit_count() != 1:
            raise WeightsError(
                f"neck.strides has {stride}, but the backbone's only map has stride {own}, which can be enlarged and"
                f" shrunk by powers of two alone; set neck.strides to some of {own}, {2 * own}, {4 * own}, and halves"
            )


def _offset_of(level: Level, stride: int) -> float:
    """Return where the first cell lies after resizing: the left edge of the first cell stays in place."""
    return level.offset + (stride - level.stride) / 2


def _resized(grid: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return grid
    if scale < 1:
        return torch.nn.functional.avg_pool2d(grid, round(1 / scale), ceil_mode=True)
    return torch.nn.functional.interpolate(grid, scale_factor=scale, mode="bilinear", align_corners=False)
