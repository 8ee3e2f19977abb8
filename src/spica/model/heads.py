"""The R-CNN head on pooled regions: torchvision's, with a choice of box losses and with box voting."""

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.ops import box_iou, clip_boxes_to_image, generalized_box_iou_loss, nms, remove_small_boxes

from spica.model.regions import RegionPooling
from spica.model.settings import HeadSettings
from spica.model.targets import IGNORED, UNSCORED, Targets, heads_of, is_covered

CLASSES = 2  # background, wheat head
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # scale of the regression targets, as in Faster R-CNN's code
GIOU_WEIGHT = 2.0  # brings the loss to the size of the smooth L1 loss, so that other settings keep their meaning
LEAST_SIDE = 1e-2  # pixels, as torchvision has it
REFINE_SUPPRESSION_IOU = (
    0.9  # of the boxes that the second stage looks at: equal ones tell it nothing more, others vote
)

Features: TypeAlias = dict[str, Tensor]
Sizes: TypeAlias = list[tuple[int, int]]


class RegionHeads(RoIHeads):  # type: ignore[misc]  # torchvision has no types
    """Boxes and scores of proposals, or their losses; with `refine_iou` in two stages.

    The second stage looks again at the boxes that the first one found, with layers of its own that learnt from closer
    boxes. Source: Cai and Vasconcelos, Cascade R-CNN, CVPR 2018.
    """

    def __init__(self, settings: HeadSettings, pooling: RegionPooling, channels: int) -> None:
        pooled = pooling.settings.channels or channels
        inputs = pooled * pooling.settings.side**2
        super().__init__(
            pooling,
            TwoMLPHead(inputs, settings.channels),
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
        self.narrow = nn.Conv2d(channels, pooled, 1) if pooling.settings.channels else nn.Identity()
        if settings.refine_iou:
            self.refine_head = TwoMLPHead(inputs, settings.channels)
            self.refine_predictor = FastRCNNPredictor(settings.channels, CLASSES)

    def forward(
        self, features: Features, proposals: list[Tensor], image_shapes: Sizes, targets: Targets | None = None
    ) -> tuple[Targets, dict[str, Tensor]]:
        """Return what is found on each photo (`boxes`, `labels`, `scores`) and no losses, or nothing and the losses."""
        features = {name: self.narrow(grid) for name, grid in features.items()}
        if self.training:
            return [], self._losses(features, proposals, image_shapes, targets or [])
        settings = self.settings
        least = settings.refine_score if settings.refine_iou else settings.least_score
        boxes, scores = self._look(0, features, proposals, image_shapes, least)
        if settings.refine_iou:
            boxes = [own[nms(own, certain, REFINE_SUPPRESSION_IOU)] for own, certain in zip(boxes, scores, strict=True)]
            boxes, scores = self._look(1, features, boxes, image_shapes, settings.least_score)
        return [self._found(*one) for one in zip(boxes, scores, strict=True)], {}

    def stages(self) -> list[tuple[TwoMLPHead, FastRCNNPredictor]]:
        """Return the layers of each stage: those on pooled features, and those of scores and boxes."""
        first = (self.box_head, self.box_predictor)
        return [first, (self.refine_head, self.refine_predictor)] if self.settings.refine_iou else [first]

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each photo the row of the head next to each proposal, and a label: 1, 0, or -1 for ignored."""
        heads = [boxes[labels > 0] for boxes, labels in zip(gt_boxes, gt_labels, strict=True)]
        ones = [torch.ones(len(boxes), dtype=torch.int64, device=boxes.device) for boxes in heads]
        rows, labels = super().assign_targets_to_proposals(proposals, heads, ones)
        for own, label, boxes, kinds in zip(proposals, labels, gt_boxes, gt_labels, strict=True):
            label[(label == 0) & is_covered(own, boxes, kinds)] = IGNORED
        return rows, labels

    def _predict(self, stage: int, features: Features, boxes: list[Tensor], sizes: Sizes) -> tuple[Tensor, Tensor]:
        hidden, last = self.stages()[stage]
        logits, moves = last(hidden(self.box_roi_pool(features, boxes, sizes)))
        return logits, moves

    def _losses(self, features: Features, proposals: list[Tensor], sizes: Sizes, targets: Targets) -> dict[str, Tensor]:
        # In half precision, which heads get from them in torchvision, boxes would lie on a grid of 2 pixels.
        proposals = [own.float() for own in proposals]
        proposals, _, labels, wanted = self.select_training_samples(proposals, targets)
        logits, moves = self._predict(0, features, proposals, sizes)
        losses = self._stage_losses(logits, moves, proposals, labels, wanted)
        if not self.settings.refine_iou:
            return losses
        boxes = [one.detach() for one in self._moved(moves, proposals, sizes)]
        labels, wanted = self._refine_targets(boxes, targets)
        again = self._stage_losses(*self._predict(1, features, boxes, sizes), boxes, labels, wanted)
        return losses | {name.replace("loss_", "loss_refine_"): loss for name, loss in again.items()}

    def _stage_losses(
        self, logits: Tensor, moves: Tensor, proposals: list[Tensor], labels: list[Tensor], wanted: tuple[Tensor, ...]
    ) -> dict[str, Tensor]:
        if not any((label >= 0).any() for label in labels):  # nothing but what is to be ignored: no mean of nothing
            return {"loss_classifier": logits.sum() * 0, "loss_box_reg": moves.sum() * 0}
        scores, boxes = fastrcnn_loss(logits, moves, labels, wanted)
        if self.settings.box_loss == "giou":
            boxes = self._overlap_loss(moves, torch.cat(proposals), torch.cat(labels), torch.cat(wanted))
        return {"loss_classifier": scores, "loss_box_reg": boxes}

    def _refine_targets(self, boxes: list[Tensor], targets: Targets) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Return for each photo which of its boxes are heads (n,), and how those should move (n, 4)."""
        labels, nearest = [], []
        for own, target in zip(boxes, targets, strict=True):
            heads = heads_of(target)["boxes"].to(own.dtype)
            if not len(heads):
                heads = own.new_zeros(1, 4)  # overlaps nothing
            best, rows = box_iou(own, heads).max(dim=1)
            label = (best >= self.settings.refine_iou).long()
            label[(label == 0) & is_covered(own, target["boxes"], target["labels"])] = UNSCORED
            labels.append(label)
            nearest.append(heads[rows])
        return labels, self.box_coder.encode(nearest, boxes)

    def _overlap_loss(self, moves: Tensor, proposals: Tensor, labels: Tensor, wanted: Tensor) -> Tensor:
        """Return 1 - GIoU of the boxes of heads, summed over them and divided by the number of all samples.

        Source: Rezatofighi et al., Generalized Intersection over Union, CVPR 2019.
        """
        (rows,) = torch.where(labels > 0)
        found = self.box_coder.decode_single(moves[rows, 4:].float(), proposals[rows])
        heads = self.box_coder.decode_single(wanted[rows], proposals[rows])
        loss: Tensor = generalized_box_iou_loss(found, heads, reduction="sum")
        return GIOU_WEIGHT * loss / labels.numel()

    def _moved(self, moves: Tensor, proposals: list[Tensor], sizes: Sizes) -> list[Tensor]:
        """Return for each photo where its proposals move to, cut at its borders."""
        boxes = self.box_coder.decode_single(moves[:, 4:].float(), torch.cat(proposals))
        apart = torch.split(boxes, [len(own) for own in proposals])
        return [clip_boxes_to_image(own, size) for own, size in zip(apart, sizes, strict=True)]

    def _look(
        self, stage: int, features: Features, boxes: list[Tensor], sizes: Sizes, least_score: float
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each photo where a stage moves boxes, of a higher score and not too thin, and their scores."""
        logits, moves = self._predict(stage, features, boxes, sizes)
        all_scores = torch.split(functional.softmax(logits, dim=-1)[:, 1], [len(own) for own in boxes])
        moved, scores = [], []
        for own, certain in zip(self._moved(moves, boxes, sizes), all_scores, strict=True):
            (sure,) = torch.where(certain > least_score)
            kept = sure[remove_small_boxes(own[sure], LEAST_SIDE)]
            moved.append(own[kept])
            scores.append(certain[kept])
        return moved, scores

    def _found(self, boxes: Tensor, scores: Tensor) -> dict[str, Tensor]:
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
