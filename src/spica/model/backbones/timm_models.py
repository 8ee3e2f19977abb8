"""Backbones from timm: any model that gives maps, pyramids and ViT-like ones."""

from textwrap import shorten
from typing import Any

import timm
from torch import nn

from spica.errors import WeightsError
from spica.model.backbones.body import Body, ChannelsFirst, Origin, located
from spica.model.backbones.weights import MOST_LETTERS, UNKNOWN_LICENCE, fill, unreachable
from spica.model.maps import Stage, require_strides, stages
from spica.model.settings import BackboneSettings


def timm_body(name: str, settings: BackboneSettings, strides: tuple[int, ...] | None) -> Body:
    """Return the body of a timm model.

    Raises:
        WeightsError: if there is no such model, it gives no maps, or weights cannot be had or do not fit.
    """
    if not timm.is_model(name.partition(".")[0]):
        raise WeightsError(f"timm has no model {name!r}; see `spica backbones {name[:4]}`")
    try:
        plain: Any = timm.create_model(name, pretrained=False, features_only=True, **_timm_options(name))
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise WeightsError(f"backbone timm/{name} gives no maps ({error}); take another") from error
    # Of a ViT all blocks give maps of one stride; timm knows each by its number, which need not count from 0.
    last = dict(zip(plain.feature_info.reduction(), plain.feature_info.out_indices, strict=True))
    wanted = strides if strides is not None and len(last) > 1 else tuple(last)
    require_strides({stride: Stage(name, stride, 0, channels_last=False) for stride in last}, wanted, f"timm/{name}")
    trunk, origin = _timm_network(name, settings, [last[stride] for stride in wanted])
    chosen = [
        Stage("", stride, channels, channels_last=getattr(trunk, "output_fmt", "NCHW") == "NHWC")
        for stride, channels in zip(trunk.feature_info.reduction(), trunk.feature_info.channels(), strict=True)
    ]
    trunk_first = ChannelsFirst(trunk, [stage.channels_last for stage in chosen])
    try:
        ran = stages(getattr(trunk, "model", trunk), trunk)  # a ViT-like one is wrapped once more
    except (RuntimeError, AssertionError) as error:
        raise WeightsError(
            f"backbone timm/{name} does not take photos of any size in multiples of 32 pixels ({error}); take another"
        ) from error
    inside = "trunk.model" if hasattr(trunk, "model") else "trunk"
    return located(trunk_first, chosen, ran, origin, inside=inside)


def _timm_options(name: str) -> dict[str, Any]:
    """Return the options without which a timm model takes photos of one size only."""
    family = name.partition("_")[0]
    if family in {"vit", "deit", "deit3", "eva", "eva02", "beit", "beitv2"}:
        return {"dynamic_img_size": True}
    if family in {"swin", "swinv2"} and "cr" not in name:
        return {"strict_img_size": False}
    return {}


def _timm_network(name: str, settings: BackboneSettings, kept: list[int]) -> tuple[Any, Origin]:
    """Return a network that gives the maps of the indices `kept`, and where its weights come from."""
    options: dict[str, Any] = {"features_only": True, "out_indices": kept, **_timm_options(name)}
    if settings.weights != "default":
        trunk = timm.create_model(name, pretrained=False, **options)
        return trunk, _timm_origin(trunk, settings) if settings.weights == "none" else _filled(trunk, name, settings)
    try:
        trunk = timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError) as error:
        unreachable(f"timm/{name}", error)
    return trunk, _timm_origin(trunk, settings)


def _filled(trunk: nn.Module, name: str, settings: BackboneSettings) -> Origin:
    """Load a local file of the whole network into its part that gives maps, and return where the weights come from.

    The file goes through the whole network first, which knows every name that has to be there.

    Raises:
        WeightsError: if the file is missing or does not fit.
    """
    whole = timm.create_model(name, pretrained=False, **_timm_options(name))
    origin = fill(whole, settings)
    known = {_plain(key): value for key, value in whole.state_dict().items()}
    fitting = {key: known[_plain(key)] for key in trunk.state_dict() if _plain(key) in known}
    try:
        trunk.load_state_dict(fitting, strict=True)
    except RuntimeError as error:
        first = shorten(" ".join(str(error).strip().splitlines()[:2]), MOST_LETTERS, placeholder=" ...")
        raise WeightsError(
            f"backbone timm/{name} names its maps' weights otherwise than a file of the whole network ({first});"
            ' set backbone.weights = "default", or take another'
        ) from error
    return origin


def _plain(key: str) -> str:
    """Return the name of a weight as it is whether or not timm has wrapped or flattened the network.

    >>> _plain("model.blocks.0.norm1.weight"), _plain("features_1.weight") == _plain("features.1.weight")
    ('blocks_0_norm1_weight', True)
    """
    return key.replace(".", "_").removeprefix("model_").removeprefix("body_")


def _timm_origin(trunk: Any, settings: BackboneSettings) -> Origin:
    """Return where weights come from that are timm's own, or none."""
    given = trunk.pretrained_cfg
    mean, std = settings.mean or tuple(given["mean"]), settings.std or tuple(given["std"])
    if settings.weights == "none":
        return Origin("none", settings.licence or UNKNOWN_LICENCE, mean, std)
    return Origin(
        f"timm/{given['architecture']}.{given.get('tag')}", given.get("license") or UNKNOWN_LICENCE, mean, std
    )
