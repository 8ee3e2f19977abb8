"""Distillation: what teachers say of regions, and that another network learns it."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from spica.model.detector import Detector
from spica.model.heads import GIOU_WEIGHT, RegionHeads
from spica.model.maps import Level
from spica.model.regions import RegionPooling
from spica.model.settings import DetectorSettings, HeadSettings, PoolingSettings
from spica.model.teaching import COLUMNS, ROWS, VIEWS, Lesson, Teachers, mirrored

CHANNELS, SIZE = 4, (48, 64)
HEAD = torch.tensor([[8.0, 8.0, 28.0, 24.0]])
REGIONS = torch.tensor([[6.0, 9, 30, 22], [40, 10, 60, 40]])


def heads(**settings: object) -> RegionHeads:
    torch.manual_seed(0)
    chosen = HeadSettings.model_validate({"channels": 16, "samples": 8, "head_fraction": 1.0, **settings})
    pooling = RegionPooling(PoolingSettings(side=3), [Level(stride=8, channels=CHANNELS, offset=0.0)])
    return RegionHeads(chosen, pooling, CHANNELS)


def features() -> dict[str, Tensor]:
    return {"0": torch.rand(1, CHANNELS, 6, 8, generator=torch.Generator().manual_seed(1))}


def detector(backbone: str, **head: object) -> Detector:
    torch.manual_seed(0)
    settings = {
        "side": 64,
        "backbone": {"name": backbone, "weights": "none", "batch_norm": "frozen"},
        "neck": {"kind": "fpn", "strides": [4, 8], "channels": 8},
        "anchors": {"sizes": [[16], [24]], "ratios": [1.0]},
        "head": {"channels": 16, **head},
    }
    return Detector(DetectorSettings.model_validate(settings), pretrained=False)


@dataclass(frozen=True)
class Saying(Lesson):
    """A lesson in which teachers say the same of every region."""

    score: float = 0.5
    box: Tensor = HEAD

    def answers(self, stage: int, regions: list[Tensor]) -> tuple[Tensor, Tensor]:
        count = sum(map(len, regions))
        return torch.full((count,), self.score), self.box.repeat(count, 1)


def saying(share: float, score: float = 0.5, box: Tensor = HEAD) -> Saying:
    return Saying((), SIZE, share, score, box)


def losses(network: RegionHeads, lesson: Lesson | None) -> dict[str, Tensor]:
    targets = [{"boxes": HEAD, "labels": torch.ones(1, dtype=torch.int64)}]
    torch.manual_seed(0)  # samples are drawn
    found: dict[str, Tensor] = network.train()(features(), [REGIONS], [SIZE], targets, lesson)[1]
    return found


@pytest.mark.parametrize(
    ("axes", "box"),
    [
        ((), [1, 2, 30, 20]),
        ((COLUMNS,), [34, 2, 63, 20]),
        ((ROWS,), [1, 28, 30, 46]),
        ((ROWS, COLUMNS), [34, 28, 63, 46]),
    ],
)
def test_boxes_are_mirrored_with_their_photo(axes: tuple[int, ...], box: list[float]) -> None:
    boxes = torch.tensor([[1.0, 2, 30, 20]])
    there = mirrored(boxes, axes, SIZE)
    assert there.tolist() == [box]
    torch.testing.assert_close(mirrored(there, axes, SIZE), boxes)


def test_answers_are_the_mean_of_four_views_of_all_teachers(tiny_backbone: str) -> None:
    teachers = [detector(tiny_backbone, refine_iou=0.6), detector(tiny_backbone)]
    photos = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(2))
    regions = [REGIONS, HEAD]
    scores, boxes = Teachers(teachers, 0.5).look(photos).answers(1, regions)
    expected = []
    for teacher, stage in zip(teachers, (1, 0), strict=True):  # the second one has one stage alone
        for axes in VIEWS:
            maps = teacher.regions.narrowed(teacher.features(photos.flip(axes)))
            there = [mirrored(own, axes, SIZE) for own in regions]
            moved, certain = teacher.regions.judge(stage, maps, there, [SIZE] * 2)
            expected.append((torch.cat(certain), mirrored(torch.cat(moved), axes, SIZE)))
    torch.testing.assert_close(scores, torch.stack([certain for certain, _ in expected]).mean(0))
    torch.testing.assert_close(boxes, torch.stack([moved for _, moved in expected]).mean(0))
    assert len({tuple(moved[0].tolist()) for _, moved in expected}) == 2 * len(VIEWS)  # else a mean says nothing


def test_teachers_do_not_learn(tiny_backbone: str) -> None:
    teacher = detector(tiny_backbone).train()
    lesson = Teachers([teacher], 0.5).look(torch.rand(1, 3, *SIZE))
    scores, boxes = lesson.answers(0, [REGIONS])
    assert not scores.requires_grad
    assert not boxes.requires_grad
    assert not teacher.training


@pytest.mark.parametrize("kind", ["smooth_l1", "giou"])
def test_losses_are_shared_between_labels_and_teachers(kind: str) -> None:
    network = heads(box_loss=kind, refine_iou=0.6)
    own, none, half, taught = (
        losses(network, lesson) for lesson in (None, saying(0.0, 0.3), saying(0.5, 0.3), saying(1.0, 0.3))
    )
    assert set(own) == {"loss_classifier", "loss_box_reg", "loss_refine_classifier", "loss_refine_box_reg"}
    for name, loss in own.items():
        torch.testing.assert_close(none[name], loss)
        torch.testing.assert_close(half[name], (loss + taught[name]) / 2)
    assert not torch.allclose(taught["loss_classifier"], own["loss_classifier"])


def test_scores_learn_the_chance_that_teachers_see() -> None:
    network = heads()
    with torch.no_grad():
        network.box_predictor.cls_score.weight.zero_()
        network.box_predictor.cls_score.bias.copy_(torch.tensor([0.0, 1.0]))
    chance = torch.sigmoid(torch.tensor(1.0))
    expected = -(0.3 * chance.log() + 0.7 * (1 - chance).log())
    torch.testing.assert_close(losses(network, saying(1.0, 0.3))["loss_classifier"], expected)


def test_boxes_of_heads_learn_where_teachers_see_them() -> None:
    network = heads(box_loss="giou")
    with torch.no_grad():
        network.box_predictor.bbox_pred.weight.zero_()  # boxes stay where the proposals are
        network.box_predictor.bbox_pred.bias.zero_()
    shorter = torch.tensor([[8.0, 8, 28, 20]])
    # Of the three samples (the head itself is one) two are heads: the label, of which 3/4 are the teachers' box, and:
    region = REGIONS[:1]
    overlap = 20 * 11 / (24 * 13 + 20 * 12 - 20 * 11)
    hull = 24 * 14
    giou = overlap - (hull - (24 * 13 + 20 * 12 - 20 * 11)) / hull
    assert region.tolist() == [[6, 9, 30, 22]]
    expected = GIOU_WEIGHT * ((1 - 0.75) + (1 - giou)) / 3
    assert float(losses(network, saying(1.0, box=shorter))["loss_box_reg"].detach()) == pytest.approx(
        expected, abs=1e-4
    )


@pytest.mark.parametrize("kind", ["smooth_l1", "giou"])
def test_a_box_without_a_side_is_no_loss_without_end(kind: str) -> None:
    flat = torch.tensor([[8.0, 8, 8, 24]])
    assert all(bool(torch.isfinite(loss)) for loss in losses(heads(box_loss=kind), saying(1.0, box=flat)).values())


def test_what_is_ignored_is_not_taught() -> None:
    network = heads()
    targets = [{"boxes": torch.tensor([[0.0, 0, 64, 48]]), "labels": torch.tensor([-1])}]
    _, found = network.train()(features(), [REGIONS], [SIZE], targets, saying(1.0))
    assert {name: float(loss.detach()) for name, loss in found.items()} == {"loss_classifier": 0, "loss_box_reg": 0}
