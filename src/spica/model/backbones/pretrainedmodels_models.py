"""Backbones from the package pretrainedmodels, where it is installed: old networks, some of which exist only there."""

import warnings
from importlib import import_module
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from spica.errors import MissingExtraError, WeightsError
from spica.model.backbones.body import Body, Origin, Run, Tapped, located
from spica.model.backbones.weights import UNKNOWN_LICENCE, fill, unreachable
from spica.model.maps import PROBE_HEIGHT, PROBE_WIDTH, Stage, evaluating, last_maps, layout, require_strides, stages
from spica.model.settings import BackboneSettings


def pretrainedmodels_body(name: str, settings: BackboneSettings, strides: tuple[int, ...] | None) -> Body:
    """Return the body of a network of the package pretrainedmodels.

    Raises:
        WeightsError: if there is no such network, or its weights cannot be had.
        MissingExtraError: if the package is not installed.
    """
    network, trained = _network(name, settings)
    bgr = trained["input_space"] == "BGR"
    # alexnet and the vggs flatten inside `features`; their convolutions alone are `_features`.
    run: Run = getattr(network, "_features", None) or network.features
    ran = stages(network, run)
    _drop_unused(network, ran)
    available, whole = last_maps(ran), _own_output(network, run)
    if _is_pyramid(available, whole):
        chosen = require_strides(available, strides or tuple(available), f"pretrainedmodels/{name}")
        trunk = Tapped(network, run, [stage.name for stage in chosen], bgr=bgr)
    else:
        chosen = [whole]
        trunk = Tapped(network, run, None, bgr=bgr)
    return located(trunk, chosen, ran, _origin(network, trained, settings), inside="network")


def _network(name: str, settings: BackboneSettings) -> tuple[Any, dict[str, Any]]:
    """Return a network and how its pretrained weights were trained.

    Raises:
        WeightsError: if there is no such network.
        MissingExtraError: if the package is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is unmaintained: its syntax and its calls of torchvision are of 2019
        try:
            library = import_module("pretrainedmodels")
        except ImportError as error:
            raise MissingExtraError(
                f"backbone pretrainedmodels/{name} needs more packages: pip install pretrainedmodels six scipy"
            ) from error
        if name not in library.model_names:
            raise WeightsError(f"pretrainedmodels has no {name!r}; see `spica backbones pretrainedmodels`")
        by_weights: dict[str, dict[str, Any]] = library.pretrained_settings[name]
        tag = "imagenet" if "imagenet" in by_weights else next(iter(by_weights))  # dpn92 has imagenet+5k alone
        pretrained = tag if settings.weights == "default" else None
        try:
            network = library.__dict__[name](num_classes=1000, pretrained=pretrained)
        except OSError as error:
            unreachable(f"pretrainedmodels/{name}", error)
    return network, by_weights[tag]


def _is_pyramid(available: dict[int, Stage], whole: Stage) -> bool:
    """Return whether the maps of all strides can be had, the network's own output being the last of them.

    The blocks of bninception are no modules, those of the dual path networks give pairs: only the last map is theirs.
    """
    strides = sorted(available)
    doubling = all(coarse == 2 * fine for fine, coarse in pairwise(strides))
    return doubling and bool(strides) and available[strides[-1]].channels == whole.channels


def _drop_unused(network: nn.Module, ran: list[Stage]) -> None:
    """Take away what did not run: classifiers and auxiliary ones, whose weights would never learn."""
    used = {stage.name.partition(".")[0] for stage in ran}
    for name, _ in list(network.named_children()):
        if name not in used:
            setattr(network, name, nn.Identity())


def _own_output(network: nn.Module, run: Run) -> Stage:
    with evaluating(network):
        stride, channels, _ = layout(run(torch.zeros(1, 3, PROBE_HEIGHT, PROBE_WIDTH)))
    return Stage("", stride, channels, channels_last=False)


def _origin(network: Any, trained: dict[str, Any], settings: BackboneSettings) -> Origin:  # the package has no types
    if settings.weights != "default":
        return fill(network, settings)
    largest = trained["input_range"][1]  # 1, or 255 for networks that come from Caffe
    order = -1 if trained["input_space"] == "BGR" else 1
    mean, std = (tuple(value / largest for value in trained[key][::order]) for key in ("mean", "std"))
    name = f"pretrainedmodels/{type(network).__name__}"
    return Origin(name, UNKNOWN_LICENCE, settings.mean or mean, settings.std or std)
