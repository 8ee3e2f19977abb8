"""Backbones from torchvision: any of its classifiers that takes photos of any size."""

from dataclasses import replace
from typing import Any

import torchvision.models
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from spica.errors import WeightsError
from spica.model.backbones.body import Body, ChannelsFirst, Origin, located
from spica.model.backbones.weights import fill, unreachable
from spica.model.maps import Stage, last_maps, require_strides, stages
from spica.model.settings import BackboneSettings, Rgb

TORCHVISION_LICENCE = "BSD-3-Clause (torchvision), trained on ImageNet"
HALVES: Rgb = (0.5, 0.5, 0.5)  # mean and standard deviation of networks that were trained on pixels in [-1, 1]


def torchvision_body(name: str, settings: BackboneSettings, strides: tuple[int, ...] | None) -> Body:
    """Return the body of a torchvision classifier.

    Raises:
        WeightsError: if there is no such classifier, or it takes photos of one size only, or weights cannot be had.
    """
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise WeightsError(f"torchvision has no classifier {name!r}; see `spica backbones {name[:4]}`")
    network, origin = _torchvision_network(name, settings)
    try:
        ran = _in_graph(network, stages(network, network))
    except (RuntimeError, AssertionError) as error:
        raise WeightsError(
            f"backbone torchvision/{name} takes photos of one size only ({error}); use its timm version"
        ) from error
    available = last_maps(ran)
    chosen = require_strides(available, strides or tuple(available), f"torchvision/{name}")
    extractor = create_feature_extractor(
        network, {stage.name: stage.name for stage in chosen}, suppress_diff_warning=True
    )
    trunk = ChannelsFirst(extractor, [stage.channels_last for stage in chosen])
    return located(trunk, chosen, ran, origin, inside="trunk")


def _in_graph(network: nn.Module, ran: list[Stage]) -> list[Stage]:
    """Return the stages with the names that torchvision's extractor knows: some containers count as one module."""
    _, nodes = get_graph_node_names(network, suppress_diff_warning=True)
    known = [stage if _known(stage.name, nodes) else replace(stage, name=stage.name.partition(".")[0]) for stage in ran]
    return [stage for stage in known if _known(stage.name, nodes)]


def _known(name: str, nodes: list[str]) -> bool:
    return any(f"{node}.".startswith(f"{name}.") for node in nodes)


def _torchvision_network(name: str, settings: BackboneSettings) -> tuple[nn.Module, Origin]:
    options: dict[str, Any] = {"init_weights": True} if name in {"inception_v3", "googlenet"} else {}
    if settings.weights != "default":
        network = torchvision.models.get_model(name, weights=None, **options)
        return network, fill(network, settings)
    weights = torchvision.models.get_model_weights(name)["DEFAULT"]
    try:
        network = torchvision.models.get_model(name, weights=weights)
    except OSError as error:
        unreachable(f"torchvision/{name}", error)
    transform = weights.transforms()
    mean, std = tuple(transform.mean), tuple(transform.std)
    if getattr(network, "transform_input", False):
        # It would go from ImageNet's normalisation to what it was trained with; built without weights it does not.
        network.transform_input = False
        mean = std = HALVES
    licence = weights.meta.get("license", TORCHVISION_LICENCE)
    return network, Origin(str(weights), licence, settings.mean or mean, settings.std or std)
