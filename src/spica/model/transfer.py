"""Transfer learning: which stages of a backbone learn, and what its batch normalisation does meanwhile."""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from spica.errors import WeightsError
from spica.model.backbones.body import Body
from spica.model.maps import evaluating
from spica.model.settings import BackboneSettings

NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def prepare_transfer(body: Body, settings: BackboneSettings, *, pretrained: bool = True) -> None:
    """Fold batch normalisation if asked for, and freeze what is not to learn.

    Frozen stages keep the statistics, scale and shift of their normalisation whatever `batch_norm` says.
    `pretrained=False`: the weights come from a checkpoint later, so that there is something to keep after all.

    Raises:
        WeightsError: if a stage does not exist, or if untrained weights would be frozen.
    """
    if (
        pretrained
        and settings.weights == "none"
        and (settings.transfer != "fine-tune" or settings.batch_norm != "train")
    ):
        raise WeightsError(
            "backbone.weights is none: there is nothing learnt to keep;"
            ' set backbone.transfer = "fine-tune" and backbone.batch_norm = "train"'
        )
    if settings.batch_norm == "folded":
        fold_batch_norm(body)
    freeze(body, settings)


def freeze(body: Body, settings: BackboneSettings) -> None:
    """Switch off the gradients of what is not to learn; `keep_frozen` does the rest at each change of mode.

    Parameters that the network itself holds, such as the position embedding of a ViT, are used before its blocks: they
    are frozen with the first stage.

    Raises:
        WeightsError: if the named stage does not exist.
    """
    stages = frozen_stages(body, settings.transfer)
    for name, parameter in body.named_parameters():
        inner = name.removeprefix(f"{body.network_name}.")
        before = inner.startswith(tuple(f"{stage}." for stage in stages)) or (bool(stages) and "." not in inner)
        parameter.requires_grad_(settings.transfer != "fixed" and not before)
    if settings.batch_norm != "train":
        for module in body.modules():
            if isinstance(module, NORMALISATIONS):
                module.requires_grad_(False)  # noqa: FBT003 - torch's own signature


def keep_frozen(body: Body, transfer: str) -> None:
    """Put into evaluation mode what does not learn: stages before the first that does, and frozen normalisations.

    So their statistics stay, too, and nothing is dropped out of maps that are to be the same each time.
    """
    if transfer == "fixed":
        body.eval()
    stages = tuple(f"{body.network_name}.{stage}." for stage in frozen_stages(body, transfer))
    for name, module in body.named_modules():
        fixed = isinstance(module, NORMALISATIONS) and not any(p.requires_grad for p in module.parameters())
        if fixed or f"{name}.".startswith(stages):
            module.eval()


def frozen_stages(body: Body, transfer: str) -> tuple[str, ...]:
    """Return the names of the stages before the one from which learning starts; all of them for `fixed`.

    Raises:
        WeightsError: if there is no such stage.
    """
    if transfer == "fixed":
        return body.stage_names
    if transfer == "fine-tune":
        return ()
    kind, _, wanted = transfer.partition(":")
    first = [index for index, name in enumerate(body.stage_names) if name == wanted or name.startswith(f"{wanted}.")]
    if kind != "from" or not first:
        raise WeightsError(
            f"backbone.transfer is {transfer!r}, expected fixed, fine-tune or from:STAGE;"
            f" the stages are {', '.join(body.stage_names)}"
        )
    return body.stage_names[: first[0]]


def fold_batch_norm(body: Body) -> None:
    """Fold each batch normalisation into the convolution right before it; the maps stay the same.

    Raises:
        WeightsError: if the maps would change, as when another branch uses the convolution's output too.
    """
    probe = torch.linspace(-1, 1, 3 * 128 * 160).reshape(1, 3, 128, 160)
    with evaluating(body):
        pairs = _convolutions_with_norm(body, probe)
        before = body(probe)
        for convolution, norm in pairs:
            _fold(convolution, norm)
        _replace_norms(body, [norm for _, norm in pairs])
        after = body(probe)
    # 1 % of the largest value: float32 rounding through some hundred layers stays far below
    if any((new - old).abs().max() > 0.01 * old.abs().max() for new, old in zip(after, before, strict=True)):
        raise WeightsError('batch normalisation of this backbone cannot be folded; set backbone.batch_norm = "frozen"')


def _convolutions_with_norm(body: Body, probe: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # keeps the tensors alive, so that no id is used twice
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def remember(module: nn.Module, _inputs: object, output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            made[id(output)] = (module, output)

    def pair(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], module))

    hooks = [part.register_forward_hook(remember) for part in body.modules() if isinstance(part, nn.Conv2d)]
    hooks += [part.register_forward_pre_hook(pair) for part in body.modules() if isinstance(part, nn.BatchNorm2d)]
    try:
        body(probe)
    finally:
        for hook in hooks:
            hook.remove()
    return pairs


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise WeightsError("a batch normalisation of this backbone has no statistics, so it cannot be folded")
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, mean, variance, norm.eps, norm.weight, norm.bias
    )


def _replace_norms(body: Body, norms: list[nn.BatchNorm2d]) -> None:
    folded = {id(norm) for norm in norms}
    for parent in list(body.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in folded:
                # timm's BatchNormAct2d is followed by its own activation, which stays
                setattr(parent, name, getattr(child, "act", None) or nn.Identity())
