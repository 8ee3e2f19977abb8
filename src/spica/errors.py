"""What a user can mend, drawn as a tree; the command line prints one line of it and exits with 1.

SpicaError
    ImageError        a photo that cannot be read or written
    OutputError       a result that cannot be written
    AnnotationError   a label file, or a row of one, that does not make sense
    SubmissionError   a file of predictions that does not make sense
    WeightsError      weights or a model file that cannot be used
    RecipeError       a recipe with a setting that does not exist or does not fit
    TrainingError     a training that cannot go on: no memory, or numbers that are no longer finite
    DownloadError     a data set that cannot be fetched
    MissingExtraError an optional part of Spica that is not installed
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Literal, TypeAlias

_NAMED = 5  # of many things that are wrong in one way

Extra: TypeAlias = Literal["train", "geo", "ground"]

_PACKAGES: Mapping[Extra, frozenset[str]] = MappingProxyType(
    {
        "train": frozenset({"torch", "torchvision", "timm", "safetensors", "accelerate", "pydantic", "onnx", "spox"}),
        "geo": frozenset({"rasterio", "shapely", "pyogrio"}),
        "ground": frozenset({"skimage", "scipy"}),
    }
)


class SpicaError(Exception):
    """Something a user can mend; the message says what was expected, what was found and what to do."""


class ImageError(SpicaError):
    """A photo that cannot be read or written; the message begins with its path."""


class AnnotationError(SpicaError):
    """A label file, or a row of one, that does not make sense; the message names file and row."""


class SubmissionError(SpicaError):
    """A file of predictions that does not make sense; the message names file and row."""


class WeightsError(SpicaError):
    """Weights or a model file that cannot be used, or that give numbers which are not finite."""


class RecipeError(SpicaError):
    """A recipe with a setting that does not exist or does not fit."""


class TrainingError(SpicaError):
    """A training that cannot go on: out of memory, or numbers that are no longer finite."""


class DownloadError(SpicaError):
    """A data set that cannot be fetched: no network, no credentials, or a wrong checksum."""


class MissingExtraError(SpicaError):
    """An optional part of Spica that is not installed; the message says how to install it."""


class OutputError(SpicaError):
    """A result that cannot be written: no such folder, no permission, no space, or older results in the way."""


def listed(items: Sequence[str], between: str = ", ") -> str:
    """Return the first few of many things for a message, and how many more there are.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e", "f", "g"])
    ('a, b', 'a, b, c, d, e, and 2 more')
    """
    more = [f"and {len(items) - _NAMED:,} more"] if len(items) > _NAMED else []
    return between.join([*items[:_NAMED], *more])


@contextmanager
def needing(extra: Extra, what: str) -> Iterator[None]:
    """Turn a failed import of what an extra brings into a line that says how to install it; `what` needs it.

    Raises:
        MissingExtraError: if one of its packages is not installed.
        ModuleNotFoundError: if anything else is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES[extra]:
            raise
        raise MissingExtraError(
            f"{error.name} is not installed, {what} needs it: pip install 'spica-wheat[{extra}]'"
        ) from error
