"""Backbones from the package pretrainedmodels, where it is installed: old networks, some of which exist only there."""

import warnings
from importlib import import_module
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
    available, whole = last_maps(ran), _own_output(network, run)
    if available.get(whole.stride or 0, whole).channels == whole.channels:
        chosen = require_strides(available, strides or tuple(available), f"pretrainedmodels/{name}")
        trunk = Tapped(network, run, [stage.name for stage in chosen], bgr=bgr)
    else:  # the blocks of such a network (bninception) are no modules, so that only its last map can be had
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
        pretrained = "imagenet" if settings.weights == "default" else None
        try:
            network = library.__dict__[name](num_classes=1000, pretrained=pretrained)
        except OSError as error:
            unreachable(f"pretrainedmodels/{name}", error)
    network.last_linear = nn.Identity()  # the classifier is of no use here, and its weights would never learn
    trained: dict[str, Any] = library.pretrained_settings[name]["imagenet"]
    return network, trained


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
