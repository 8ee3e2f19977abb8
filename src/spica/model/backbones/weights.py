"""Weights of a backbone: from its library, from a local file, or none; and the clear line when they cannot be had."""

from pathlib import Path
from textwrap import shorten
from typing import NoReturn

from safetensors.torch import load_file
from torch import nn

from spica.errors import WeightsError
from spica.model.backbones.body import IMAGENET_MEAN, IMAGENET_STD, Origin
from spica.model.settings import BackboneSettings, Rgb

UNKNOWN_LICENCE = "unknown"
MOST_LETTERS = 200  # of an error that lists names of weights: a network has hundreds


def fill(network: nn.Module, settings: BackboneSettings) -> Origin:
    """Load a local file of weights into a network, or none, and return where they come from.

    Raises:
        WeightsError: if the file is missing, does not fit, or comes without mean and standard deviation.
    """
    if settings.weights == "none":
        return Origin("none", "none", settings.mean or IMAGENET_MEAN, settings.std or IMAGENET_STD)
    path = existing_file(settings.weights)
    mean, std = require_normalisation(settings)
    try:
        network.load_state_dict(load_file(path), strict=True)
    except Exception as error:  # safetensors has an exception class of its own, torch raises RuntimeError
        first = shorten(" ".join(str(error).strip().splitlines()[:2]), MOST_LETTERS, placeholder=" ...")
        raise WeightsError(
            f"{path}: does not fit backbone {settings.name}, expected each of its weights and no other: {first}"
        ) from error
    return Origin(path.name, settings.licence or UNKNOWN_LICENCE, mean, std)


def require_normalisation(settings: BackboneSettings) -> tuple[Rgb, Rgb]:
    """Return mean and standard deviation, which a local file must come with.

    Raises:
        WeightsError: if one of them is missing.
    """
    if settings.mean is None or settings.std is None:
        raise WeightsError(
            f"backbone.weights is the file {settings.weights}: backbone.mean and backbone.std are missing;"
            f" set them to what the weights were trained with"
        )
    return settings.mean, settings.std


def existing_file(weights: str) -> Path:
    """Return the path of a local file of weights.

    Raises:
        WeightsError: if it is not there, or of a format that can carry code.
    """
    path = Path(weights)
    if path.suffix != ".safetensors":
        raise WeightsError(f"backbone.weights is {weights!r}, expected default, none, or a .safetensors file")
    if not path.is_file():
        raise WeightsError(f"{path}: no such file of backbone weights")
    return path


def unreachable(name: str, error: Exception) -> NoReturn:
    """Say that pretrained weights cannot be downloaded.

    Raises:
        WeightsError: always.
    """
    raise WeightsError(
        f"the pretrained weights of {name} cannot be had ({error}); check the network,"
        f" or set backbone.weights to a local .safetensors file or to none"
    ) from error
