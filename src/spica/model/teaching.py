"""Distillation: what trained detectors say of the regions that another one learns from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from spica.model.heads import Features, RegionHeads

if TYPE_CHECKING:
    from spica.model.detector import Detector

ROWS, COLUMNS = 2, 3  # axes of a batch
VIEWS = ((), (COLUMNS,), (ROWS,), (ROWS, COLUMNS))  # along which it is mirrored


class Teachers:
    """Trained detectors that say of regions whether they are heads, and where those are: softer targets than labels.

    Each looks at photos as they are and mirrored, in four views; the mean of all answers counts. `share` is the part of
    the losses of the R-CNN head that is of them. Source: Hinton et al., Distilling the Knowledge in a Neural Network,
    2015; Chen et al., Learning Efficient Object Detection Models with Knowledge Distillation, NeurIPS 2017.
    """

    def __init__(self, detectors: Sequence["Detector"], share: float) -> None:
        self.detectors = tuple(detector.eval().requires_grad_(False) for detector in detectors)  # noqa: FBT003 - torch's
        self.share = share

    @torch.no_grad()
    def look(self, photos: Tensor) -> "Lesson":
        """Look at a batch (n, 3, height, width) of float32 in [0, 1], whose photos fill it."""
        views = [
            _View(detector.regions, axes, detector.regions.narrowed(detector.features(photos.flip(axes))))
            for detector in self.detectors
            for axes in VIEWS
        ]
        return Lesson(views, (photos.shape[ROWS], photos.shape[COLUMNS]), self.share)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    heads: RegionHeads
    axes: tuple[int, ...]
    features: Features


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What teachers see on one batch of a size (height, width)."""

    views: Sequence[_View]
    size: tuple[int, int]
    share: float

    @torch.no_grad()
    def answers(self, stage: int, regions: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return for the regions (n, 4) of all photos the score (n,) of a head there, and its box (n, 4).

        They are those of the same stage of the R-CNN head, or the last one that a teacher has.
        """
        scores, boxes = zip(*(self._seen(view, stage, regions) for view in self.views), strict=True)
        return torch.stack(scores).mean(dim=0), torch.stack(boxes).mean(dim=0)

    def _seen(self, view: _View, stage: int, regions: list[Tensor]) -> tuple[Tensor, Tensor]:
        there = [mirrored(own, view.axes, self.size) for own in regions]
        last = len(view.heads.stages()) - 1
        boxes, scores = view.heads.judge(min(stage, last), view.features, there, [self.size] * len(there))
        return torch.cat(scores), mirrored(torch.cat(boxes), view.axes, self.size)


def mirrored(boxes: Tensor, axes: tuple[int, ...], size: tuple[int, int]) -> Tensor:
    """Return boxes (n, 4) on a photo of a size (height, width) that is mirrored along axes of its batch."""
    height, width = size
    limits = boxes.new_tensor([width, height, width, height])
    turned = torch.tensor([COLUMNS in axes, ROWS in axes] * 2, device=boxes.device)
    return torch.where(turned, (limits - boxes).roll(2, dims=1), boxes)
