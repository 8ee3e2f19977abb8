"""Backbones from timm: any model that gives maps, pyramids and ViT-like ones."""

from typing import Any

import timm

from spica.errors import WeightsError
from spica.model.backbones.body import Body, ChannelsFirst, Origin, located
from spica.model.backbones.weights import UNKNOWN_LICENCE, existing_file, require_normalisation, unreachable
from spica.model.maps import Stage, require_strides, stages
from spica.model.settings import BackboneSettings


def timm_body(name: str, settings: BackboneSettings, strides: tuple[int, ...] | None) -> Body:
    """Return the body of a timm model.

    Raises:
        WeightsError: if there is no such model, it gives no maps, or weights cannot be had.
    """
    if not timm.is_model(name.partition(".")[0]):
        raise WeightsError(f"timm has no model {name!r}; see `spica backbones {name[:4]}`")
    try:
        plain: Any = timm.create_model(name, pretrained=False, features_only=True, **_timm_options(name))
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise WeightsError(f"backbone timm/{name} gives no maps ({error}); take another") from error
    last = {stride: index for index, stride in enumerate(plain.feature_info.reduction())}
    wanted = strides if strides is not None and len(last) > 1 else tuple(last)
    require_strides({stride: Stage(name, stride, 0, channels_last=False) for stride in last}, wanted, f"timm/{name}")
    kept = [last[stride] for stride in wanted]
    trunk = _timm_network(name, settings, kept)
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
    return located(trunk_first, chosen, ran, _timm_origin(trunk, settings), inside=inside)


def _timm_options(name: str) -> dict[str, Any]:
    """Return the options without which a timm model takes photos of one size only."""
    family = name.partition("_")[0]
    if family in {"vit", "deit", "deit3", "eva", "eva02", "beit", "beitv2"}:
        return {"dynamic_img_size": True}
    if family in {"swin", "swinv2"} and "cr" not in name:
        return {"strict_img_size": False}
    return {}


def _timm_network(name: str, settings: BackboneSettings, kept: list[int]) -> Any:
    options: dict[str, Any] = {"features_only": True, "out_indices": kept, **_timm_options(name)}
    if settings.weights == "none":
        return timm.create_model(name, pretrained=False, **options)
    if settings.weights != "default":
        require_normalisation(settings)
        options["pretrained_cfg_overlay"] = {"file": str(existing_file(settings.weights))}
    try:
        return timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError) as error:
        unreachable(f"timm/{name}", error)


def _timm_origin(trunk: Any, settings: BackboneSettings) -> Origin:
    given = trunk.pretrained_cfg
    mean, std = settings.mean or tuple(given["mean"]), settings.std or tuple(given["std"])
    if settings.weights != "default":
        return Origin(settings.weights, settings.licence or UNKNOWN_LICENCE, mean, std)
    return Origin(
        f"timm/{given['architecture']}.{given.get('tag')}", given.get("license") or UNKNOWN_LICENCE, mean, std
    )
