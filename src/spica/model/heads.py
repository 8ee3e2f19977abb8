"""The R-CNN head on pooled regions: torchvision's, with a choice of box losses and with box voting."""

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.ops import box_iou, clip_boxes_to_image, generalized_box_iou_loss, nms, remove_small_boxes

from spica.model.regions import RegionPooling
from spica.model.settings import HeadSettings
from spica.model.targets import IGNORED, UNSCORED, Targets, heads_of, is_covered

if TYPE_CHECKING:
    from spica.model.teaching import Lesson

CLASSES = 2  # background, wheat head
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # scale of the regression targets, as in Faster R-CNN's code
GIOU_WEIGHT = 2.0  # brings the loss to the size of the smooth L1 loss, so that other settings keep their meaning
LEAST_SIDE = 1e-2  # pixels, as torchvision has it
REFINE_SUPPRESSION_IOU = (
    0.9  # of the boxes that the second stage looks at: equal ones tell it nothing more, others vote
)

Features: TypeAlias = dict[str, Tensor]
Sizes: TypeAlias = list[tuple[int, int]]


class _Samples(NamedTuple):
    """What a stage learns from: for each photo regions (n, 4), whether they are heads, and how they should move."""

    regions: list[Tensor]
    labels: list[Tensor]
    wanted: tuple[Tensor, ...] | list[Tensor]


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
        self,
        features: Features,
        proposals: list[Tensor],
        image_shapes: Sizes,
        targets: Targets | None = None,
        lesson: "Lesson | None" = None,
    ) -> tuple[Targets, dict[str, Tensor]]:
        """Return what is found on each photo (`boxes`, `labels`, `scores`) and no losses, or nothing and the losses."""
        features = self.narrowed(features)
        if self.training:
            return [], self._losses(features, proposals, image_shapes, targets or [], lesson)
        settings = self.settings
        least = settings.refine_score if settings.refine_iou else settings.least_score
        boxes, scores = self._look(0, features, proposals, image_shapes, least)
        if settings.refine_iou:
            boxes = [own[nms(own, certain, REFINE_SUPPRESSION_IOU)] for own, certain in zip(boxes, scores, strict=True)]
            boxes, scores = self._look(1, features, boxes, image_shapes, settings.least_score)
        return [self._found(*one) for one in zip(boxes, scores, strict=True)], {}

    def narrowed(self, features: Features) -> Features:
        """Return the maps that regions are pooled from."""
        return {name: self.narrow(grid) for name, grid in features.items()}

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

    def judge(
        self, stage: int, features: Features, boxes: list[Tensor], sizes: Sizes
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each photo where a stage moves its boxes (n, 4), and their scores (n,)."""
        logits, moves = self._predict(stage, features, boxes, sizes)
        scores = functional.softmax(logits, dim=-1)[:, 1]
        return self._moved(moves, boxes, sizes), list(torch.split(scores, [len(own) for own in boxes]))

    def _predict(self, stage: int, features: Features, boxes: list[Tensor], sizes: Sizes) -> tuple[Tensor, Tensor]:
        hidden, last = self.stages()[stage]
        logits, moves = last(hidden(self.box_roi_pool(features, boxes, sizes)))
        return logits, moves

    def _losses(
        self, features: Features, proposals: list[Tensor], sizes: Sizes, targets: Targets, lesson: "Lesson | None"
    ) -> dict[str, Tensor]:
        # In half precision, which heads get from them in torchvision, boxes would lie on a grid of 2 pixels.
        proposals = [own.float() for own in proposals]
        proposals, _, labels, wanted = self.select_training_samples(proposals, targets)
        logits, moves = self._predict(0, features, proposals, sizes)
        losses = self._stage_losses(0, logits, moves, _Samples(proposals, labels, wanted), lesson)
        if not self.settings.refine_iou:
            return losses
        boxes = [one.detach() for one in self._moved(moves, proposals, sizes)]
        logits, moves = self._predict(1, features, boxes, sizes)
        again = self._stage_losses(1, logits, moves, self._refine_samples(boxes, targets), lesson)
        return losses | {name.replace("loss_", "loss_refine_"): loss for name, loss in again.items()}

    def _stage_losses(
        self, stage: int, logits: Tensor, moves: Tensor, samples: "_Samples", lesson: "Lesson | None"
    ) -> dict[str, Tensor]:
        labels = torch.cat(samples.labels)
        if not (labels >= 0).any():  # nothing but what is to be ignored: no mean of nothing
            return {"loss_classifier": logits.sum() * 0, "loss_box_reg": moves.sum() * 0}
        scores, boxes = functional.cross_entropy(logits, labels), self._box_loss(logits, moves, samples)
        if lesson:
            certain, found = lesson.answers(stage, samples.regions)
            used, chances = labels >= 0, torch.stack([1 - certain, certain], dim=1).to(logits.dtype)
            scores = scores.lerp(functional.cross_entropy(logits[used], chances[used]), lesson.share)
            boxes = boxes.lerp(self._box_loss(logits, moves, self._with_boxes(samples, found)), lesson.share)
        return {"loss_classifier": scores, "loss_box_reg": boxes}

    def _with_boxes(self, samples: "_Samples", boxes: Tensor) -> "_Samples":
        """Return samples that should move to other boxes (n, 4)."""
        wide = torch.cat([boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2] + LEAST_SIDE)], dim=1)
        apart = torch.split(wide.float(), [len(own) for own in samples.regions])
        return samples._replace(wanted=self.box_coder.encode(list(apart), samples.regions))

    def _refine_samples(self, boxes: list[Tensor], targets: Targets) -> "_Samples":
        """Return the boxes (n, 4) of each photo, which of them are heads, and how those should move."""
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
        return _Samples(boxes, labels, self.box_coder.encode(nearest, boxes))

    def _box_loss(self, logits: Tensor, moves: Tensor, samples: "_Samples") -> Tensor:
        """Return the loss of boxes: smooth L1, or 1 - GIoU; of heads, summed, and divided by the number of all samples.

        Source: Rezatofighi et al., Generalized Intersection over Union, CVPR 2019.
        """
        if self.settings.box_loss == "smooth_l1":
            smooth: Tensor = fastrcnn_loss(logits, moves, samples.labels, samples.wanted)[1]
            return smooth
        labels, regions = torch.cat(samples.labels), torch.cat(samples.regions)
        (rows,) = torch.where(labels > 0)
        found = self.box_coder.decode_single(moves[rows, 4:].float(), regions[rows])
        heads = self.box_coder.decode_single(torch.cat(samples.wanted)[rows], regions[rows])
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
        moved, scores = [], []
        for own, certain in zip(*self.judge(stage, features, boxes, sizes), strict=True):
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
