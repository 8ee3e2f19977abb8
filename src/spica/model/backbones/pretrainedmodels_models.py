"""Backbones from the package pretrainedmodels, where it is installed: old networks, some of which exist only there."""

from importlib import import_module
from typing import Any

from spica.errors import MissingExtraError, WeightsError
from spica.model.backbones.body import Body, Origin, Tapped, located
from spica.model.backbones.weights import UNKNOWN_LICENCE, fill, unreachable
from spica.model.maps import last_maps, require_strides, stages
from spica.model.settings import BackboneSettings


def pretrainedmodels_body(name: str, settings: BackboneSettings, strides: tuple[int, ...] | None) -> Body:
    """Return the body of a network of the package pretrainedmodels.

    Raises:
        WeightsError: if there is no such network, or its weights cannot be had.
        MissingExtraError: if the package is not installed.
    """
    try:
        library = import_module("pretrainedmodels")
    except ImportError as error:
        raise MissingExtraError(
            f"backbone pretrainedmodels/{name} needs the package pretrainedmodels: pip install pretrainedmodels six"
        ) from error
    if name not in library.model_names:
        raise WeightsError(f"pretrainedmodels has no {name!r}; see `spica backbones pretrainedmodels`")
    try:
        network = library.__dict__[name](
            num_classes=1000, pretrained="imagenet" if settings.weights == "default" else None
        )
    except OSError as error:
        unreachable(f"pretrainedmodels/{name}", error)
    # alexnet and the vggs flatten inside `features`; their convolutions alone are `_features`.
    run = getattr(network, "_features", None) or network.features
    ran = stages(network, run)
    available = last_maps(ran)
    chosen = require_strides(available, strides or tuple(available), f"pretrainedmodels/{name}")
    return located(Tapped(network, run, [stage.name for stage in chosen]), chosen, ran, _old_origin(network, settings))


def _old_origin(network: Any, settings: BackboneSettings) -> Origin:
    if settings.weights != "default":
        return fill(network, settings)
    mean, std = settings.mean or tuple(network.mean), settings.std or tuple(network.std)
    return Origin(f"pretrainedmodels/{type(network).__name__}", UNKNOWN_LICENCE, mean, std)
