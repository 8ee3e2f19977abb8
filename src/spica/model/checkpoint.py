"""Weights files: a detector and its card in one safetensors file, and the file as a Detect."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

import spica
from spica.detections import Detections, Image
from spica.errors import WeightsError
from spica.images import write_atomically
from spica.model.detector import Detector, require_finite_weights
from spica.model.photos import as_detections, padded, photo_tensor, resized
from spica.model.settings import DetectorSettings

WEIGHTS_NAME = "weights.safetensors"
DEFAULT_THRESHOLD = 0.5  # of weights whose card states none


@dataclass(frozen=True, slots=True)
class Card:
    """What weights say of themselves."""

    threshold: float = DEFAULT_THRESHOLD
    """Recommended score threshold, chosen on validation photos."""
    scores: dict[str, float] = field(default_factory=dict)
    """Scores on validation photos: the competition's, and counting errors."""
    backbone: str = "none"
    """Weights that the backbone started from."""
    licence: str = "none"
    """Licence of those weights."""
    trained_on: str = ""
    """Training data, in words."""
    version: str = spica.__version__


class NetworkDetect:
    """A detector with weights, as a Detect; `threshold` is the score that its card recommends."""

    def __init__(self, detector: Detector, card: Card, device: torch.device) -> None:
        """Take a detector whose weights are all finite.

        Raises:
            WeightsError: if they are not: a broken number in the last layers would look like a photo without heads.
        """
        require_finite_weights(detector)
        self.detector = detector.to(device).to(memory_format=torch.channels_last).eval()
        self.card = card
        self.device = device
        self.mean = detector.mean.cpu()

    @property
    def most_boxes(self) -> int:
        """The largest number of boxes that it can find on a photo."""
        settings = self.detector.settings
        return min(settings.head.most_boxes, settings.proposals.detect)

    @property
    def threshold(self) -> float:
        """The recommended score threshold."""
        return self.card.threshold

    def __call__(self, photo: Image) -> Detections:
        """Return every box above the least score, in pixels of the photo.

        Raises:
            WeightsError: if the network gives numbers that are not finite, or memory runs out.
        """
        small = resized(photo_tensor(photo), self.detector.settings.side)
        batch = padded(small, self.mean).to(self.device, memory_format=torch.channels_last)
        size = (small.shape[-2], small.shape[-1])
        try:
            with torch.inference_mode():
                (found,) = self.detector(batch, [size])
        except torch.OutOfMemoryError as error:
            raise WeightsError(f"out of memory on {self.device} for a photo of {size[1]} x {size[0]} pixels") from error
        if not bool(torch.isfinite(found["boxes"]).all()):
            raise WeightsError("the network found boxes that are not finite; the weights are broken: train again")
        return as_detections(found, size, photo.shape[:2])


def save_weights(path: Path, detector: Detector, card: Card) -> None:
    """Write weights, settings and card into one file, which replaces an older one only when it is whole."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.state_dict().items()}
    settings = detector.settings.model_dump(mode="json")
    settings["backbone"]["weights"] = Path(settings["backbone"]["weights"]).name  # folders are of this machine alone
    described = {"settings": settings, "card": asdict(card)}
    write_atomically(path, save(tensors, metadata={"spica": json.dumps(described)}))


def load_weights(path: Path) -> tuple[Detector, Card]:
    """Return the detector of a weights file, or of the run folder that holds one, on the CPU in evaluation mode.

    Raises:
        WeightsError: if the file is missing, not of Spica, or damaged.
    """
    file = path / WEIGHTS_NAME if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(f"{file}: no such weights file; expected a run folder or a .safetensors file of a run")
    described = _description(file)
    try:
        settings = DetectorSettings.model_validate(described["settings"])
        card = Card(**described["card"])
        detector = Detector(settings, pretrained=False).eval()
        detector.load_state_dict(load_file(file), strict=True)
    except (KeyError, TypeError, ValidationError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise WeightsError(f"{file}: does not fit this version of Spica ({spica.__version__}): {first}") from error
    return detector, card


def load_detect(weights: Path, device: str = "auto") -> NetworkDetect:
    """Return the Detect of a weights file or run folder; `device` is auto, cpu, cuda or another of torch's.

    Raises:
        WeightsError: if the weights cannot be used, or there is no such device.
    """
    detector, card = load_weights(weights)
    return NetworkDetect(detector, card, torch_device(device))


def torch_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is the GPU where there is one.

    Raises:
        WeightsError: if there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).strip().splitlines()[0]
        raise WeightsError(f"device {name!r} cannot be used here ({first}); expected auto, cpu or cuda") from error
    return device


def _description(file: Path) -> dict[str, Any]:
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file}: damaged, or not a safetensors file ({error}); copy or train it again") from error
    if "spica" not in metadata:
        raise WeightsError(f"{file}: not weights of Spica; for a backbone's weights set backbone.weights in a recipe")
    return dict(json.loads(metadata["spica"]))
