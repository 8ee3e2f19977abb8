"""Transfer learning: frozen weights stay, thawed ones move."""

import pytest
import torch
from torchvision.ops import StochasticDepth

from spica.errors import WeightsError
from spica.model.backbones import Body, build_body
from spica.model.settings import BackboneSettings
from spica.model.transfer import fold_batch_norm, freeze, keep_frozen, prepare_transfer

NAME = "torchvision/mobilenet_v3_small"


def learnt(**settings: object) -> BackboneSettings:
    """Settings of a backbone that counts as pretrained: its weights are put in by hand."""
    return BackboneSettings.model_validate({"name": NAME, "weights": "default", **settings})


def body_of(settings: BackboneSettings) -> Body:
    torch.manual_seed(0)
    body = build_body(settings, (8, 16), pretrained=False)
    for module in body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # statistics as of a trained network, not 0 and 1
            module.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    prepare_transfer(body, settings, pretrained=False)
    return body


def moved(body: Body, transfer: str) -> set[str]:
    """Take one large step and return the names of everything that changed, statistics included."""
    before = {name: value.clone() for name, value in body.state_dict().items()}
    body.train()
    keep_frozen(body, transfer)
    optimiser = torch.optim.SGD(
        [weight for weight in body.parameters() if weight.requires_grad] or [torch.zeros(1)], lr=1.0
    )
    total = torch.stack([grid.square().mean() for grid in body(torch.randn(2, 3, 64, 64))]).sum()
    if total.requires_grad:
        total.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return {name for name, value in body.state_dict().items() if not torch.equal(value, before[name])}


def test_a_fixed_backbone_does_not_move_at_all() -> None:
    assert moved(body_of(learnt(transfer="fixed", batch_norm="train")), "fixed") == set()


def test_fine_tuning_moves_every_convolution_and_leaves_frozen_statistics() -> None:
    body = body_of(learnt(transfer="fine-tune", batch_norm="frozen"))
    changed = moved(body, "fine-tune")
    weights = {name for name, weight in body.named_parameters() if weight.dim() == 4}
    assert changed >= weights
    assert not any("running" in name for name in changed)


def test_training_normalisation_moves_scales_and_statistics() -> None:
    changed = moved(body_of(learnt(transfer="fine-tune", batch_norm="train")), "fine-tune")
    assert any("running_mean" in name for name in changed)
    assert any(name.endswith("0.1.weight") for name in changed)


def test_learning_from_a_stage_on_moves_that_stage_and_leaves_those_before() -> None:
    changed = moved(body_of(learnt(transfer="from:features.4", batch_norm="train")), "from:features.4")
    assert changed
    assert {name.split("features.")[1].split(".")[0] for name in changed} == {"4", "5", "6", "7", "8", "9"} & {
        name.split("features.")[1].split(".")[0] for name in changed
    }
    assert not any(f"features.{stage}." in name for name in changed for stage in range(4))


def test_folding_keeps_the_maps_and_leaves_no_normalisation() -> None:
    body = build_body(learnt(), (4, 8, 16, 32), pretrained=False).eval()
    for module in body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
            module.bias.data.uniform_(-0.5, 0.5)
    photos = torch.randn(1, 3, 96, 128)
    before = body(photos)
    fold_batch_norm(body)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in body.modules())
    for new, old in zip(body(photos), before, strict=True):
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-3)


def test_an_unknown_stage_is_an_error_that_lists_the_stages() -> None:
    with pytest.raises(WeightsError, match=r"from:layer9.*expected fixed, fine-tune or from:STAGE.*features\.0"):
        freeze(build_body(learnt(), (8,), pretrained=False), learnt(transfer="from:layer9"))


@pytest.mark.parametrize("settings", [{"transfer": "fixed"}, {"batch_norm": "frozen"}, {"batch_norm": "folded"}])
def test_freezing_weights_that_never_learnt_is_an_error(settings: dict[str, str]) -> None:
    chosen = BackboneSettings.model_validate({"name": NAME, "weights": "none", "batch_norm": "train", **settings})
    with pytest.raises(WeightsError, match="there is nothing learnt to keep"):
        prepare_transfer(build_body(chosen, (8,)), chosen)


def test_a_stage_that_learns_keeps_none_of_its_layers_frozen_because_of_their_names() -> None:
    # conv1 and bn1 are the stem's names, and those of layers inside every block.
    settings = BackboneSettings(name="torchvision/resnet18", transfer="from:layer2", batch_norm="train")
    body = build_body(settings, (8, 16, 32), pretrained=False)
    prepare_transfer(body, settings, pretrained=False)
    names = {name.removeprefix("trunk.trunk."): weight.requires_grad for name, weight in body.named_parameters()}
    learning = {name for name, learns in names.items() if learns}
    assert learning == {name for name in names if name.startswith(("layer2.", "layer3.", "layer4."))}


def test_what_a_vision_transformer_adds_before_its_blocks_is_frozen_with_them() -> None:
    settings = BackboneSettings(name="timm/vit_tiny_patch16_224", transfer="from:blocks.6")
    body = build_body(settings, (16,), pretrained=False)
    prepare_transfer(body, settings, pretrained=False)
    learning = {name.removeprefix("trunk.trunk.model.") for name, w in body.named_parameters() if w.requires_grad}
    assert {".".join(name.split(".")[:2]) for name in learning} == {f"blocks.{number}" for number in range(6, 12)}


@pytest.mark.parametrize(("transfer", "first"), [("from:features.4", 4), ("fixed", 9)])
def test_nothing_is_dropped_at_random_in_stages_that_are_frozen(transfer: str, first: int) -> None:
    settings = BackboneSettings(name="torchvision/efficientnet_b0", transfer=transfer)
    body = build_body(settings, (8, 16, 32), pretrained=False).train()
    keep_frozen(body, transfer)
    for name, module in body.named_modules():
        if isinstance(module, StochasticDepth):
            assert module.training == (int(name.split("features.")[1].split(".")[0]) >= first)
