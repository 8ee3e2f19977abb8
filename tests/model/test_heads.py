"""The R-CNN head: boxes that vote, and what boxes learn from."""

import pytest
import torch
from torch import Tensor

from spica.model.heads import GIOU_WEIGHT, RegionHeads, voted
from spica.model.maps import Level
from spica.model.regions import RegionPooling
from spica.model.settings import HeadSettings, PoolingSettings

CHANNELS, SIZE = 4, (64, 64)
HEAD = torch.tensor([[8.0, 8.0, 28.0, 24.0]])


def heads(narrow: int | None = None, **settings: object) -> RegionHeads:
    torch.manual_seed(0)
    chosen = HeadSettings.model_validate({"channels": 16, "samples": 8, "least_score": 0.0, **settings})
    pooling = RegionPooling(PoolingSettings(side=3, channels=narrow), [Level(stride=8, channels=CHANNELS, offset=0.0)])
    return RegionHeads(chosen, pooling, CHANNELS)


def features() -> dict[str, Tensor]:
    return {"0": torch.rand(1, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(1))}


def test_a_box_becomes_the_mean_of_those_near_it_by_score() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 12], [0, 0, 10, 30], [50, 50, 60, 60]])
    scores = torch.tensor([0.9, 0.3, 0.8, 0.5])
    result = voted(boxes[[0, 3]], boxes, scores, 0.7)
    torch.testing.assert_close(result, torch.tensor([[0.0, 0, 10, 10.5], [50, 50, 60, 60]]))


def test_voting_moves_boxes_and_leaves_scores() -> None:
    proposals = [torch.tensor([[8.0, 8, 28, 24], [9, 8, 28, 25], [8, 10, 27, 24], [40, 40, 60, 60]])]
    plain, voting = (
        heads(suppression_iou=0.3, voting_iou=iou).eval()(features(), proposals, [SIZE])[0][0] for iou in (1.0, 0.4)
    )
    assert len(plain["boxes"]) == 2
    torch.testing.assert_close(voting["scores"], plain["scores"])
    assert not torch.allclose(voting["boxes"], plain["boxes"])
    assert (voting["boxes"] - plain["boxes"]).abs().max() < 3


def test_maps_are_narrowed_before_they_are_pooled() -> None:
    """A 1 x 1 convolution that leaves out channels gives what a head does that has no weights for them."""
    wide, narrow = heads().eval(), heads(narrow=2).eval()
    cells = wide.box_roi_pool.settings.side**2
    assert narrow.box_head.fc6.in_features == 2 * cells
    with torch.no_grad():
        narrow.narrow.weight.copy_(torch.eye(2, CHANNELS)[:, :, None, None])
        narrow.narrow.bias.zero_()
        wide.box_head.fc6.weight[:, 2 * cells :] = 0
    rest = {name: weight for name, weight in wide.state_dict().items() if "fc6.weight" not in name}
    narrow.load_state_dict(rest, strict=False)
    with torch.no_grad():
        narrow.box_head.fc6.weight.copy_(wide.box_head.fc6.weight[:, : 2 * cells])
    proposals = [torch.tensor([[8.0, 8, 28, 24], [40, 40, 60, 60]])]
    (expected,), (found,) = (one(features(), proposals, [SIZE])[0] for one in (wide, narrow))
    torch.testing.assert_close(found, expected)


def loss(heads: RegionHeads, proposal: Tensor) -> dict[str, Tensor]:
    targets = [{"boxes": HEAD, "labels": torch.ones(1, dtype=torch.int64)}]
    losses: dict[str, Tensor] = heads.train()(features(), [proposal], [SIZE], targets)[1]
    return losses


def test_the_overlap_loss_is_one_minus_giou_over_all_samples() -> None:
    network = heads(box_loss="giou", head_fraction=1.0)
    with torch.no_grad():
        network.box_predictor.bbox_pred.weight.zero_()  # boxes stay where the proposals are
        network.box_predictor.bbox_pred.bias.zero_()
    proposal = torch.tensor([[8.0, 8, 28, 20]])  # 3/4 of the head, inside it
    # The head itself is a proposal in training, too, and a perfect one.
    assert float(loss(network, proposal)["loss_box_reg"].detach()) == pytest.approx(GIOU_WEIGHT * 0.25 / 2, abs=1e-5)


@pytest.mark.parametrize("kind", ["smooth_l1", "giou"])
def test_boxes_come_nearer_to_heads_by_either_loss(kind: str) -> None:
    network = heads(box_loss=kind, head_fraction=1.0)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    proposal = torch.tensor([[6.0, 9, 30, 22]])
    values = []
    for _ in range(200):
        losses = loss(network, proposal)
        optimiser.zero_grad()
        torch.autograd.backward(list(losses.values()))
        optimiser.step()
        values.append(float(losses["loss_box_reg"].detach()))
    assert values[-1] < values[0] / 2


def test_photos_without_heads_have_a_loss() -> None:
    network = heads(box_loss="giou").train()
    targets = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}]
    _, losses = network(features(), [torch.tensor([[6.0, 9, 30, 22]])], [SIZE], targets)
    assert float(losses["loss_box_reg"].detach()) == 0


# --- two stages


def still(network: RegionHeads) -> RegionHeads:
    """Return a network that leaves boxes where they are."""
    with torch.no_grad():
        for _, last in network.stages():
            last.bbox_pred.weight.zero_()
            last.bbox_pred.bias.zero_()
    return network


def with_score(network: RegionHeads, stage: int, logit: float) -> None:
    _, last = network.stages()[stage]
    with torch.no_grad():
        last.cls_score.weight.zero_()
        last.cls_score.bias.copy_(torch.tensor([0.0, logit]))


def test_the_score_is_that_of_the_second_stage() -> None:
    network = still(heads(refine_iou=0.6)).eval()
    with_score(network, 0, 2.0)
    with_score(network, 1, -1.0)
    (found,), _ = network(features(), [HEAD], [SIZE])
    torch.testing.assert_close(found["scores"], torch.sigmoid(torch.tensor([-1.0])))
    torch.testing.assert_close(found["boxes"], HEAD)


@pytest.mark.parametrize(("least", "found"), [(0.6, 1), (0.7, 0)])
def test_what_the_first_stage_hardly_believes_is_not_looked_at_again(least: float, found: int) -> None:
    network = still(heads(refine_iou=0.6, refine_score=least)).eval()
    with_score(network, 0, 0.6)  # a score of 0.65
    with_score(network, 1, 3.0)
    assert len(network(features(), [HEAD], [SIZE])[0][0]["scores"]) == found


def test_the_second_stage_begins_at_the_boxes_of_the_first() -> None:
    network = still(heads(refine_iou=0.6)).eval()
    for _, last in network.stages():
        last.bbox_pred.bias.data[4] = 1.0  # a tenth of the width to the right, in each stage
    (found,), _ = network(features(), [HEAD], [SIZE])
    torch.testing.assert_close(found["boxes"], HEAD + torch.tensor([4.0, 0, 4, 0]))


def test_in_the_second_stage_only_close_boxes_are_heads() -> None:
    near, loose = torch.tensor([[8.0, 8, 28, 22]]), torch.tensor([[8.0, 8, 28, 17]])  # IoU 0.875 and 0.5625
    targets = [{"boxes": HEAD, "labels": torch.ones(1, dtype=torch.int64)}]
    network = still(heads(refine_iou=0.6))
    _, labels, moves = network._refine_samples([torch.cat([near, loose])], targets)
    assert labels[0].tolist() == [1, 0]
    torch.testing.assert_close(network.box_coder.decode_single(moves[0], torch.cat([near, loose])), HEAD.repeat(2, 1))


def test_what_the_second_stage_learns_does_not_move_the_first() -> None:
    network = heads(refine_iou=0.6, head_fraction=1.0)
    losses = loss(network, torch.tensor([[8.0, 8, 28, 20]]))
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_refine_classifier", "loss_refine_box_reg"}
    torch.autograd.backward([losses["loss_refine_classifier"], losses["loss_refine_box_reg"]])
    (first, _), (second, last) = network.stages()
    assert first.fc6.weight.grad is None
    assert second.fc6.weight.grad.abs().sum() > 0
    assert last.bbox_pred.weight.grad.abs().sum() > 0


def test_photos_without_heads_have_a_loss_in_both_stages() -> None:
    network = heads(box_loss="giou", refine_iou=0.6).train()
    targets = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}]
    _, losses = network(features(), [torch.tensor([[6.0, 9, 30, 22]])], [SIZE], targets)
    assert float(losses["loss_refine_box_reg"].detach()) == 0
    assert float(losses["loss_refine_classifier"].detach()) > 0


@pytest.mark.parametrize("proposals", [torch.zeros(0, 4), torch.tensor([[6.0, 9, 30, 22]])], ids=["none", "one"])
def test_two_stages_find_nothing_where_nothing_is_sure_enough(proposals: Tensor) -> None:
    network = heads(refine_iou=0.6, least_score=0.9).eval()
    (found,), _ = network(features(), [proposals], [SIZE])
    assert found["boxes"].shape == (0, 4)
    assert found["scores"].shape == (0,)
