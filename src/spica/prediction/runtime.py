"""The runtime: a model file as a Detect, without torch."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float32

from spica.boxes import Boxes
from spica.detections import Detections
from spica.errors import WeightsError
from spica.image import Image
from spica.images import resized
from spica.prediction.card import Card
from spica.prediction.looking import Looks, Source, first_sight, seen
from spica.prediction.modelfile import read_card


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What a network gives for a photo: boxes in its pixels, scores, whether there may be more, and a number.

    `sound` is finite if everything in the network was.
    """

    boxes: Boxes
    scores: Float32[np.ndarray, " n"]
    capped: bool
    sound: float


Facts: TypeAlias = dict[str, str | int]

DEVICES = ("auto", "cpu", "onnxruntime")  # what a model file runs on
_DIGITS = 12  # of a digest


@runtime_checkable
class Engine(Protocol):
    """What runs a network: OpenVINO, or ONNX Runtime."""

    @property
    def facts(self) -> Facts:
        """What of it can change a result, or its speed."""
        ...

    @property
    def workers(self) -> int:
        """How many photos keep it busy."""
        ...

    def __call__(self, photo: Image) -> Output:
        """Return what the network gives for a photo; may be called by several threads at once."""
        ...


@runtime_checkable
class Detector(Protocol):
    """A Detect that knows what it is: what `spica.load_detector` gives."""

    @property
    def name(self) -> str:
        """Name of its file, with the beginning of its digest."""
        ...

    @property
    def card(self) -> Card:
        """What its weights say of themselves: the recommended threshold among others."""
        ...

    @property
    def facts(self) -> Facts:
        """What runs it, and how: for the manifest of a result."""
        ...

    @property
    def workers(self) -> int:
        """How many photos it can detect at once."""
        ...

    def __call__(self, photo: Image) -> Detections:
        """Return every box above the network's least score, in pixels of the photo."""
        ...


class ModelDetector:
    """A model file in an engine."""

    def __init__(self, engine: Engine, card: Card, name: str) -> None:
        self.engine = engine
        self.card = card
        self.name = name

    @property
    def workers(self) -> int:
        """How many photos it can detect at once."""
        return self.engine.workers

    @property
    def facts(self) -> Facts:
        """What runs it, and how."""
        return self.engine.facts

    def __call__(self, photo: Image) -> Detections:
        """Return every box above the network's least score, in pixels of the photo.

        Raises:
            WeightsError: if the network gives numbers that are not finite.
        """
        small = resized(photo, self.card.side)
        output = self.engine(small)
        if not np.isfinite(output.sound) or not np.isfinite(output.boxes).all():
            raise WeightsError(f"{self.name}: the network gives numbers that are not finite; the file is broken")
        # Half-precision sums of a softmax can end a rounding above 1.
        scores = np.clip(output.scores, 0, 1).astype(np.float32)
        found = Detections(output.boxes, scores, output.capped)
        (height, width, _), (rows, columns, _) = photo.shape, small.shape
        return found.scaled(width / columns, height / rows)


def detect_file(detect: Detector, path: Path | str, looks: Looks | None = None) -> Detections:
    """Return every box above the network's least score on the photo in a file, in pixels of the upright photo.

    What `spica predict` finds. Quicker than to read the photo whole: a JPEG is decoded near the size that is looked at.
    Photos with small heads are looked at in tiles, those with large ones made smaller; `looks` can say how.

    Raises:
        ImageError: if the photo cannot be read.
        WeightsError: if the network gives numbers that are not finite, or `looks` has a ground sampling distance and
            the card does not say which sizes of heads the weights know.
    """
    return _found(detect, Path(path), looks or Looks())


def detect_photo(detect: Detector, photo: Image, looks: Looks | None = None) -> Detections:
    """Return what `detect_file` does, of a photo (height, width, 3) in RGB that was read already.

    `detect(photo)` alone looks once, whatever the size of the heads. A JPEG that was read whole is a little less sharp
    when it is resized than one that `detect_file` decodes near that size, so scores differ in the second digit.

    Raises:
        WeightsError: as `detect_file`.
    """
    return _found(detect, photo, looks or Looks())


def _found(detect: Detector, source: Source, looks: Looks) -> Detections:
    return seen(detect, source, first_sight(source, detect.card, looks), detect.card, looks)[1]


def load_model(path: Path, device: str = "auto") -> ModelDetector:
    """Return the Detect of a model file; `device` is auto or cpu (OpenVINO), or onnxruntime.

    Raises:
        WeightsError: if the file cannot be used, or there is no such device.
        MissingExtraError: if ONNX Runtime is asked for and not installed.
    """
    card = read_card(path)
    if device not in DEVICES:
        raise WeightsError(
            f"device {device!r}: a model file runs on auto, cpu or onnxruntime; "
            "for other devices give the run folder or weights file that it was exported from"
        )
    return ModelDetector(_engine(path, device), card, named(path))


def _engine(path: Path, device: str) -> Engine:
    if device == "onnxruntime":
        from spica.prediction.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path)
    from spica.prediction.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(path)


def named(path: Path) -> str:
    """Return the name of a file and the beginning of its digest, by which it can be told from another of that name."""
    return f"{path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]}"
