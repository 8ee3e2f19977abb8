"""Faster R-CNN: backbone -> feature maps -> region proposals -> pooled regions -> boxes and scores.

Source: Ren et al., Faster R-CNN, NeurIPS 2015; the parts are torchvision's, how they are put together is ours.
"""

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from spica.errors import WeightsError
from spica.model.backbones import build_body
from spica.model.heads import Features, RegionHeads
from spica.model.necks import build_neck, separable
from spica.model.regions import Anchors, RegionPooling
from spica.model.settings import DetectorSettings, ProposalSettings
from spica.model.targets import IGNORED, Targets, heads_of, is_covered, overlaps
from spica.model.teaching import Lesson
from spica.model.transfer import keep_frozen, prepare_transfer

RPN_POSITIVES = 0.5  # half of the anchors that the loss looks at, as in the paper


class Detector(nn.Module):
    """A Faster R-CNN on one backbone.

    Photos come as a batch (n, 3, height, width) of float32 in [0, 1], each in its top left corner, with its own size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: DetectorSettings, *, pretrained: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.body = build_body(settings.backbone, settings.neck.strides, pretrained=pretrained)
        prepare_transfer(self.body, settings.backbone, pretrained=pretrained)
        self.neck = build_neck(settings.neck, self.body.levels)
        levels = self.neck.levels
        self.proposals = _proposal_network(settings.proposals, Anchors(settings.anchors, levels), levels[0].channels)
        self.regions = RegionHeads(settings.head, RegionPooling(settings.pooling, levels), levels[0].channels)
        origin = self.body.origin
        self.register_buffer("mean", torch.tensor(origin.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(origin.std).view(1, 3, 1, 1))

    def losses(self, photos: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Return the losses by name; targets are made by `spica.model.targets.target`, boxes in pixels of the batch."""
        return self(photos, [tuple(photos.shape[-2:])] * len(photos), targets)  # type: ignore[no-any-return]

    def forward(
        self,
        photos: Tensor,
        sizes: list[tuple[int, int]],
        targets: Targets | None = None,
        lesson: Lesson | None = None,
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Return losses when training, else for each photo its `boxes`, `labels`, `scores`, and whether it is `capped`.

        With a `lesson` the R-CNN head learns from teachers as well.

        Raises:
            WeightsError: if photos or feature maps hold numbers that are not finite.
        """
        features, proposals, proposal_losses = self.propose(photos, sizes, targets)
        found, region_losses = self.regions(features, proposals, sizes, targets, lesson)
        if self.training:
            return {**proposal_losses, **region_losses}
        return [{**one, "capped": self._capped(one, own)} for one, own in zip(found, proposals, strict=True)]

    def features(self, photos: Tensor) -> Features:
        """Return the feature maps of a batch, fine to coarse."""
        maps = self.neck(self.body((photos - self.mean) / self.std))
        return {str(index): grid for index, grid in enumerate(maps)}

    def propose(
        self, photos: Tensor, sizes: list[tuple[int, int]], targets: Targets | None = None
    ) -> tuple[Features, list[Tensor], dict[str, Tensor]]:
        """Return feature maps, the proposals (n, 4) of each photo in pixels of the batch, and losses when training.

        Raises:
            WeightsError: if photos or feature maps hold numbers that are not finite, unless training.
        """
        features = self.features(photos)
        if not self.training:
            self._require_finite(photos, list(features.values()))
        return features, *self.proposals(ImageList(photos, sizes), features, targets)

    def train(self, mode: bool = True) -> "Detector":  # noqa: FBT001, FBT002 - torch's own signature
        """Set the mode; frozen stages and frozen normalisation stay in evaluation mode."""
        super().train(mode)
        keep_frozen(self.body, self.settings.backbone.transfer)
        # In training the network shall see proposals that it does not believe in yet.
        self.proposals.score_thresh = 0.0 if mode else self.settings.proposals.least_score
        return self

    def _capped(self, found: dict[str, Tensor], proposals: Tensor) -> Tensor:
        """Return whether there may be more boxes: as many as allowed, or proposals that were not looked at."""
        settings = self.settings.proposals
        # Without a least score there are always more proposals than are looked at, and it says nothing.
        cut = settings.least_score > 0 and len(proposals) >= settings.detect
        return torch.tensor(cut or len(found["scores"]) >= self.settings.head.most_boxes)

    def _require_finite(self, photos: Tensor, maps: list[Tensor]) -> None:
        # A single NaN gives no boxes and no error, that is "0 heads": so it is looked for.
        if all(bool(torch.isfinite(grid.sum())) for grid in maps):
            return
        require_finite_weights(self)
        if not torch.isfinite(photos).all():
            raise WeightsError("the photo holds pixels that are not finite, expected [0, 1]")
        raise WeightsError("the backbone's feature maps overflow; use float32, or other weights")


def require_finite_weights(module: nn.Module) -> None:
    """Do nothing if every weight is finite.

    Raises:
        WeightsError: naming the first weight that is not.
    """
    for name, weight in module.state_dict().items():
        if not torch.isfinite(weight).all():
            raise WeightsError(f"weight {name} holds numbers that are not finite; the weights are broken: train again")


class ProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]  # torchvision has no types
    """torchvision's region proposal network, to which an anchor in an ignored box is no background."""

    def assign_targets_to_anchors(self, anchors: list[Tensor], targets: Targets) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each photo the label of each anchor, 1, 0 or -1 for ignored, and the head next to it."""
        labels, nearest = super().assign_targets_to_anchors(anchors, [heads_of(one) for one in targets])
        for own, label, one in zip(anchors, labels, targets, strict=True):
            label[(label == 0) & is_covered(own, one["boxes"], one["labels"])] = IGNORED
        return labels, nearest

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of scores and boxes; 0 where there is nothing but what is to be ignored."""
        if not any((label >= 0).any() for label in labels):
            return objectness.sum() * 0, pred_bbox_deltas.sum() * 0
        losses: tuple[Tensor, Tensor] = super().compute_loss(objectness, pred_bbox_deltas, labels, regression_targets)
        return losses


class ProposalHead(RPNHead):  # type: ignore[misc]  # torchvision has no types
    """torchvision's head of the proposal network; what it gives is float32 in mixed precision, too, as boxes need."""

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and moves of the anchors of each level."""
        scores, moves = super().forward(features)
        return [one.float() for one in scores], [one.float() for one in moves]


def _proposal_network(settings: ProposalSettings, anchors: Anchors, channels: int) -> ProposalNetwork:
    head = ProposalHead(channels, anchors.num_anchors_per_location()[0])
    if settings.convolutions == "separable":
        head.conv = nn.Sequential(separable(channels), nn.ReLU(inplace=True))
    network = ProposalNetwork(
        anchors,
        head,
        fg_iou_thresh=settings.head_iou,
        bg_iou_thresh=settings.background_iou,
        batch_size_per_image=settings.samples,
        positive_fraction=RPN_POSITIVES,
        pre_nms_top_n={"training": settings.before_suppression, "testing": settings.before_suppression},
        post_nms_top_n={"training": settings.train, "testing": settings.detect},
        nms_thresh=settings.suppression_iou,
    )
    network.box_similarity = overlaps
    return network
