"""The catalogue: which backbones there are, and on request what each of them gives."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec

import timm
import torchvision.models

from spica.errors import SpicaError
from spica.model.backbones.building import build_body
from spica.model.backbones.torchvision_models import TORCHVISION_LICENCE
from spica.model.backbones.weights import UNKNOWN_LICENCE
from spica.model.settings import BackboneSettings


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """A backbone: its name in a recipe, its pretrained weights and their licence; the rest only on request."""

    name: str
    weights: str
    licence: str
    strides: str | None = None
    """Strides of its maps, or why it cannot be used."""
    channels: str | None = None
    parameters: str | None = None


def list_backbones(pattern: str = "", *, details: bool = False) -> list[BackboneInfo]:
    """Return the backbones whose name contains `pattern`, in which * stands for anything; sorted by name.

    `details` builds each of them, which takes about a second each and reads no weights.
    """
    wanted = f"*{pattern}*"
    found = sorted((info for info in _all() if fnmatchcase(info.name, wanted)), key=lambda info: info.name)
    return [_with_details(info) for info in found] if details else found


def _all() -> Iterator[BackboneInfo]:
    for name in torchvision.models.list_models(module=torchvision.models):
        weights = torchvision.models.get_model_weights(name)["DEFAULT"]
        yield BackboneInfo(f"torchvision/{name}", weights.name, weights.meta.get("license", TORCHVISION_LICENCE))
    for name in timm.list_models():
        default = timm.get_pretrained_cfg(name)
        tag, licence = (default.tag, default.license) if default is not None else ("none", None)
        yield BackboneInfo(f"timm/{name}", tag or "none", licence or UNKNOWN_LICENCE)
    if find_spec("pretrainedmodels") is not None:
        for name in import_module("pretrainedmodels").model_names:
            yield BackboneInfo(f"pretrainedmodels/{name}", "imagenet", UNKNOWN_LICENCE)


def _with_details(info: BackboneInfo) -> BackboneInfo:
    settings = BackboneSettings(name=info.name, weights="none", batch_norm="train")
    try:
        body = build_body(settings, None)
    except SpicaError as error:
        return replace(info, strides=f"not usable: {error}")
    return replace(
        info,
        strides=", ".join(str(level.stride) for level in body.levels),
        channels=", ".join(str(level.channels) for level in body.levels),
        parameters=f"{sum(weight.numel() for weight in body.parameters()) / 1e6:.1f} M",
    )
