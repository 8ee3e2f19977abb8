"""Spica finds and counts wheat heads in photos of fields."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spica.boxes import Boxes as Boxes
    from spica.detections import Detect as Detect
    from spica.detections import Detections as Detections
    from spica.errors import SpicaError as SpicaError
    from spica.image import Image as Image
    from spica.images import read_image as read_image
    from spica.labels.labelled import LabelledImage as LabelledImage
    from spica.labels.labelled import Labels as Labels
    from spica.loading import load_detector as load_detector
    from spica.prediction.fusion import fused as fused
    from spica.prediction.runtime import detect_file as detect_file
    from spica.prediction.runtime import detect_photo as detect_photo
    from spica.prediction.tiles import tiled as tiled
    from spica.prediction.views import mirrored as mirrored

__version__ = "0.1.0"

# Public names and where they live; loaded when first used, so that `import spica` stays fast.
_HOMES = {
    "Boxes": "spica.boxes",
    "Detect": "spica.detections",
    "Detections": "spica.detections",
    "Image": "spica.image",
    "SpicaError": "spica.errors",
    "read_image": "spica.images",
    "detect_file": "spica.prediction.runtime",
    "detect_photo": "spica.prediction.runtime",
    "load_detector": "spica.loading",
    "fused": "spica.prediction.fusion",
    "mirrored": "spica.prediction.views",
    "tiled": "spica.prediction.tiles",
    "LabelledImage": "spica.labels.labelled",
    "Labels": "spica.labels.labelled",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> object:
    """Load a public name when it is first used.

    Raises:
        AttributeError: if there is no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'spica' has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
