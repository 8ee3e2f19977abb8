"""Backbones of the user's own: any importable callable that returns a network."""

from importlib import import_module

import torch
from torch import nn

from spica.errors import WeightsError
from spica.model.backbones.body import IMAGENET_MEAN, IMAGENET_STD, Body, Kept, Origin, as_maps, located
from spica.model.backbones.weights import UNKNOWN_LICENCE, fill
from spica.model.maps import PROBE_HEIGHT, PROBE_WIDTH, Stage, evaluating, layout, require_strides, stages
from spica.model.settings import BackboneSettings


def callable_body(name: str, settings: BackboneSettings, strides: tuple[int, ...] | None) -> Body:
    """Return the body of `package.module:callable`, whose network gives one map, or a list or dict of maps.

    Its weights are those that the callable gives it (`default`), or those of a local file.

    Raises:
        WeightsError: if it cannot be imported, is no network, or does not give maps.
    """
    network = _network(name)
    if settings.weights == "default":  # the callable has loaded its own
        mean, std = settings.mean or IMAGENET_MEAN, settings.std or IMAGENET_STD
        origin = Origin(name, settings.licence or UNKNOWN_LICENCE, mean, std)
    else:
        origin = fill(network, settings)
    available = _maps(name, network)
    chosen = (
        require_strides(available, strides or tuple(available), name) if len(available) > 1 else [*available.values()]
    )
    kept = [index for index, stage in enumerate(available.values()) if stage in chosen]
    return located(Kept(network, kept), chosen, stages(network, network), origin, inside="network")


def _network(name: str) -> nn.Module:
    module_name, _, function_name = name.partition(":")
    try:
        network = getattr(import_module(module_name), function_name)()
    except (ImportError, AttributeError) as error:
        raise WeightsError(
            f"backbone {name!r} cannot be imported ({error}); expected package.module:callable"
        ) from error
    except Exception as error:  # it is the user's own code, which can raise anything
        raise WeightsError(f"backbone {name!r} cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise WeightsError(f"backbone {name!r} returned {type(network).__name__}, expected torch.nn.Module")
    return network


def _maps(name: str, network: nn.Module) -> dict[int, Stage]:
    """Return the network's maps by stride, in the order in which it gives them.

    Raises:
        WeightsError: if what it gives are no maps, or several of one stride.
    """
    try:
        with evaluating(network):
            maps = as_maps(network(torch.zeros(1, 3, PROBE_HEIGHT, PROBE_WIDTH)))
    except Exception as error:  # it is the user's own code, which can raise anything
        raise WeightsError(
            f"backbone {name!r} fails on a photo of {PROBE_WIDTH} x {PROBE_HEIGHT} pixels:"
            f" {type(error).__name__}: {error}; it must take photos of any size"
        ) from error
    found: dict[int, Stage] = {}
    for grid in maps:
        stride, channels, channels_last = layout(grid)
        if stride is None or channels_last or stride in found:
            raise WeightsError(
                f"backbone {name!r} gives {tuple(grid.shape)} for a photo of {PROBE_WIDTH} x {PROBE_HEIGHT} pixels,"
                " expected maps (batch, channels, rows, columns), one for each stride"
            )
        found[stride] = Stage(str(stride), stride, channels, channels_last=False)
    return found
