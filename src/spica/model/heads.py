"""The R-CNN head on pooled regions: torchvision's, with a choice of box losses and with box voting."""

from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.ops import box_iou, clip_boxes_to_image, generalized_box_iou_loss, nms, remove_small_boxes

from spica.model.regions import RegionPooling
from spica.model.settings import HeadSettings

CLASSES = 2  # background, wheat head
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # scale of the regression targets, as in Faster R-CNN's code
GIOU_WEIGHT = 2.0  # brings the loss to the size of the smooth L1 loss, so that other settings keep their meaning
LEAST_SIDE = 1e-2  # pixels, as torchvision has it

Features: TypeAlias = dict[str, Tensor]
Sizes: TypeAlias = list[tuple[int, int]]
Targets: TypeAlias = list[dict[str, Tensor]]


class RegionHeads(RoIHeads):  # type: ignore[misc]  # torchvision has no types
    """Boxes and scores of proposals, or their losses."""

    def __init__(self, settings: HeadSettings, pooling: RegionPooling, channels: int) -> None:
        super().__init__(
            pooling,
            TwoMLPHead(channels * pooling.settings.side**2, settings.channels),
            FastRCNNPredictor(settings.channels, CLASSES),
            fg_iou_thresh=settings.head_iou,
            bg_iou_thresh=settings.head_iou,
            batch_size_per_image=settings.samples,
            positive_fraction=settings.head_fraction,
            bbox_reg_weights=BOX_WEIGHTS,
            score_thresh=settings.least_score,
            nms_thresh=settings.suppression_iou,
            detections_per_img=settings.most_boxes,
        )
        self.settings = settings

    def forward(
        self, features: Features, proposals: list[Tensor], image_shapes: Sizes, targets: Targets | None = None
    ) -> tuple[Targets, dict[str, Tensor]]:
        """Return what is found on each photo (`boxes`, `labels`, `scores`) and no losses, or nothing and the losses."""
        if self.training:
            proposals, _, labels, moves = self.select_training_samples(proposals, targets)
            return [], self._losses(*self._predict(features, proposals, image_shapes), proposals, labels, moves)
        logits, moves = self._predict(features, proposals, image_shapes)
        counts = [len(own) for own in proposals]
        boxes = torch.split(self.box_coder.decode_single(moves[:, 4:], torch.cat(proposals)), counts)
        scores = torch.split(functional.softmax(logits, dim=-1)[:, 1], counts)
        return [self._found(*one) for one in zip(boxes, scores, image_shapes, strict=True)], {}

    def _predict(self, features: Features, proposals: list[Tensor], sizes: Sizes) -> tuple[Tensor, Tensor]:
        logits, moves = self.box_predictor(self.box_head(self.box_roi_pool(features, proposals, sizes)))
        return logits, moves

    def _losses(
        self, logits: Tensor, moves: Tensor, proposals: list[Tensor], labels: list[Tensor], wanted: tuple[Tensor, ...]
    ) -> dict[str, Tensor]:
        scores, boxes = fastrcnn_loss(logits, moves, labels, wanted)
        if self.settings.box_loss == "giou":
            boxes = self._overlap_loss(moves, torch.cat(proposals), torch.cat(labels), torch.cat(wanted))
        return {"loss_classifier": scores, "loss_box_reg": boxes}

    def _overlap_loss(self, moves: Tensor, proposals: Tensor, labels: Tensor, wanted: Tensor) -> Tensor:
        """Return 1 - GIoU of the boxes of heads, summed over them and divided by the number of all samples.

        Source: Rezatofighi et al., Generalized Intersection over Union, CVPR 2019.
        """
        (rows,) = torch.where(labels > 0)
        found = self.box_coder.decode_single(moves[rows, 4:].float(), proposals[rows])
        heads = self.box_coder.decode_single(wanted[rows], proposals[rows])
        loss: Tensor = generalized_box_iou_loss(found, heads, reduction="sum")
        return GIOU_WEIGHT * loss / labels.numel()

    def _found(self, boxes: Tensor, scores: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        boxes = clip_boxes_to_image(boxes, size)
        boxes, scores = (one[scores > self.score_thresh] for one in (boxes, scores))
        wide = remove_small_boxes(boxes, LEAST_SIDE)
        boxes, scores = boxes[wide], scores[wide]
        kept = nms(boxes, scores, self.nms_thresh)[: self.detections_per_img]
        found = boxes[kept]
        if self.settings.voting_iou < 1:
            found = voted(found, boxes, scores, self.settings.voting_iou)
        return {"boxes": found, "labels": torch.ones_like(kept), "scores": scores[kept]}


def voted(kept: Tensor, boxes: Tensor, scores: Tensor, iou: float) -> Tensor:
    """Return for each box kept (m, 4) the mean of all `boxes` (n, 4) that overlap it by more than `iou`, by score.

    Each box kept is one of `boxes`. Source: Gidaris and Komodakis, Object detection via a multi-region and semantic
    segmentation-aware CNN model, ICCV 2015 (box voting).
    """
    shares: Tensor = (box_iou(kept, boxes) > iou) * scores
    return shares @ boxes / shares.sum(dim=1, keepdim=True)
