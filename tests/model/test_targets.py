"""Targets: heads come first, and what is to be ignored teaches nothing."""

import torch
from torchvision.ops import box_iou

from spica.model.detector import Detector
from spica.model.settings import (
    AnchorSettings,
    BackboneSettings,
    DetectorSettings,
    HeadSettings,
    NeckSettings,
    ProposalSettings,
)
from spica.model.targets import IGNORED, heads_of, is_covered, overlaps, target

BOXES = torch.tensor([[0.0, 0, 8, 8], [10, 10, 40, 40], [20, 0, 30, 8]])
HEADS = torch.tensor([True, False, True])


def test_heads_come_first_and_keep_their_order() -> None:
    one = target(BOXES, HEADS)
    assert one["boxes"].tolist() == BOXES[[0, 2, 1]].tolist()
    assert one["labels"].tolist() == [1, 1, IGNORED]
    assert heads_of(one)["boxes"].tolist() == BOXES[[0, 2]].tolist()
    assert heads_of(one)["labels"].tolist() == [1, 1]


def test_a_region_is_covered_by_more_than_half_of_itself_and_by_ignored_boxes_alone() -> None:
    regions = torch.tensor([[12.0, 12, 20, 20], [0, 10, 20, 40], [4, 10, 18, 40], [2, 10, 18, 40], [0, 0, 8, 8]])
    one = target(BOXES, HEADS)
    assert is_covered(regions, one["boxes"], one["labels"]).tolist() == [True, False, True, False, False]
    assert not is_covered(regions, BOXES[:0], HEADS[:0]).any()
    assert is_covered(regions[:0], one["boxes"], one["labels"]).shape == (0,)


def test_overlaps_are_those_of_torchvision() -> None:
    corners = torch.rand(2, 60, 2, generator=torch.Generator().manual_seed(0)) * 50
    boxes = torch.cat([corners.amin(dim=0), corners.amax(dim=0)], dim=1)
    assert torch.equal(overlaps(boxes[:7], boxes), box_iou(boxes[:7], boxes))
    assert overlaps(boxes[:0], boxes).shape == (0, 60)


def learning(backbone: str, refine_iou: float = 0.6) -> Detector:
    torch.manual_seed(0)
    settings = DetectorSettings(
        side=64,
        backbone=BackboneSettings(name=backbone, weights="none", batch_norm="train"),
        neck=NeckSettings(kind="fpn", strides=(4, 8), channels=8),
        anchors=AnchorSettings(sizes=((16,), (24,)), ratios=(1.0,)),
        proposals=ProposalSettings(before_suppression=50, train=20, detect=20),
        head=HeadSettings(channels=16, samples=16, refine_iou=refine_iou),
    )
    return Detector(settings).train()


def test_nothing_is_learnt_from_a_photo_that_is_to_be_ignored(tiny_backbone: str) -> None:
    detector = learning(tiny_backbone)
    whole = target(torch.tensor([[-32.0, -32, 96, 96]]), torch.tensor([False]))  # anchors reach over the border, too
    losses = detector.losses(torch.rand(1, 3, 64, 64), [whole])
    assert {name: loss.item() for name, loss in losses.items()} == dict.fromkeys(losses, 0.0)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad for weight in detector.parameters() if weight.grad is not None]
    assert all(float(gradient.abs().sum()) == 0 for gradient in gradients)


def test_background_is_learnt_only_outside_of_what_is_ignored(tiny_backbone: str) -> None:
    detector = learning(tiny_backbone)
    half = target(torch.tensor([[0.0, 0, 64, 32]]), torch.tensor([False]))
    anchors = torch.tensor([[8.0, 4, 24, 20], [8, 40, 24, 56]])
    labels, _ = detector.proposals.assign_targets_to_anchors([anchors], [half])
    assert labels[0].tolist() == [IGNORED, 0]
    _, labels = detector.regions.assign_targets_to_proposals([anchors], [half["boxes"]], [half["labels"]])
    assert labels[0].tolist() == [IGNORED, 0]


def test_a_head_in_an_ignored_region_is_a_head(tiny_backbone: str) -> None:
    detector = learning(tiny_backbone)
    head = torch.tensor([[8.0, 8, 24, 24]])
    both = target(torch.cat([torch.tensor([[0.0, 0, 64, 64]]), head]), torch.tensor([False, True]))
    rows, labels = detector.regions.assign_targets_to_proposals([head], [both["boxes"]], [both["labels"]])
    assert (rows[0].tolist(), labels[0].tolist()) == ([0], [1])
    labels, nearest = detector.proposals.assign_targets_to_anchors([head], [both])
    assert (labels[0].tolist(), nearest[0].tolist()) == ([1], head.tolist())
    _, labels, _ = detector.regions._refine_samples([torch.cat([head, head + 30])], [both])
    assert labels[0].tolist() == [1, -100]
