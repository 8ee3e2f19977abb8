"""Weights files: a detector and its card in one safetensors file, and the file as a Detect."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

import spica
from spica.boxes import Boxes
from spica.detections import Detections
from spica.errors import WeightsError
from spica.image import Image
from spica.images import resized, write_atomically
from spica.model.detector import Detector, require_finite_weights
from spica.model.photos import as_detections, padded, photo_tensor
from spica.model.settings import DetectorSettings
from spica.prediction.card import Card, card_from
from spica.prediction.runtime import Facts, named

WEIGHTS_NAME = "weights.safetensors"


class NetworkDetect:
    """A detector with weights, as a Detect."""

    workers = 1  # torch uses all cores, or the GPU, for one photo

    def __init__(self, detector: Detector, card: Card, device: torch.device, name: str = "unnamed") -> None:
        """Take a detector whose weights are all finite.

        Raises:
            WeightsError: if they are not: a broken number in the last layers would look like a photo without heads.
        """
        require_finite_weights(detector)
        self.detector = detector.to(device).to(memory_format=torch.channels_last).eval()
        self.card = card
        self.name = name
        self.device = device
        self.mean = detector.mean.cpu()

    @property
    def facts(self) -> Facts:
        """Version, precision and device."""
        return {"runtime": f"torch {torch.__version__}", "precision": "f32", "device": str(self.device)}

    def __call__(self, photo: Image) -> Detections:
        """Return every box above the least score, in pixels of the photo.

        Raises:
            WeightsError: if the network gives numbers that are not finite, or memory runs out.
        """
        batch, size = self._batch(photo)
        try:
            with torch.inference_mode():
                (found,) = self.detector(batch, [size])
        except torch.OutOfMemoryError as error:
            raise WeightsError(f"out of memory on {self.device} for a photo of {size[1]} x {size[0]} pixels") from error
        if not bool(torch.isfinite(found["boxes"]).all()):
            raise WeightsError("the network found boxes that are not finite; the weights are broken: train again")
        return as_detections(found, size, photo.shape[:2])

    def proposals(self, photo: Image) -> Boxes:
        """Return the boxes that the R-CNN head would look at, in pixels of the photo."""
        batch, size = self._batch(photo)
        with torch.inference_mode():
            _, (boxes,), _ = self.detector.propose(batch, [size])
        zoom = np.array([photo.shape[1] / size[1], photo.shape[0] / size[0]] * 2, dtype=np.float32)
        return np.asarray(boxes.float().cpu().numpy() * zoom)

    def _batch(self, photo: Image) -> tuple[Tensor, tuple[int, int]]:
        """Return a photo as the network takes it, and its (height, width) in there."""
        small = photo_tensor(resized(photo, self.detector.settings.side))
        batch = padded(small, self.mean).to(self.device, memory_format=torch.channels_last)
        return batch, (small.shape[-2], small.shape[-1])


def save_weights(path: Path, detector: Detector, card: Card) -> None:
    """Write weights, settings and card into one file, which replaces an older one only when it is whole."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.state_dict().items()}
    settings = detector.settings.model_dump(mode="json")
    settings["backbone"]["weights"] = Path(settings["backbone"]["weights"]).name  # folders are of this machine alone
    described = {"settings": settings, "card": card.to_dict()}
    write_atomically(path, save(tensors, metadata={"spica": json.dumps(described)}))


def load_weights(path: Path) -> tuple[Detector, Card]:
    """Return the detector of a weights file, or of the run folder that holds one, on the CPU in evaluation mode.

    Raises:
        WeightsError: if the file is missing, not of Spica, or damaged.
    """
    file = _weights_file(path)
    with _fitting(file):
        settings, card = _description(file)
        detector = Detector(settings, pretrained=False).eval()
        detector.load_state_dict(load_file(file), strict=True)
    return detector, card


def read_settings(path: Path) -> DetectorSettings:
    """Return the settings of the detector in a weights file or run folder.

    Raises:
        WeightsError: if the file is missing, not of Spica, or damaged.
    """
    file = _weights_file(path)
    with _fitting(file):
        return _description(file)[0]


def started_from(path: Path, settings: DetectorSettings) -> tuple[Detector, Card, tuple[str, ...]]:
    """Return a new detector with the weights of a file as far as name and shape fit, its card, and what is new.

    What does not fit begins at random; its parameters are the third value, by name.

    Raises:
        WeightsError: if the file cannot be used, or the backbone is another one.
    """
    file = _weights_file(path)
    with _fitting(file):
        _, card = _description(file)
        known = load_file(file)
        detector = Detector(settings, pretrained=False)
        wanted = detector.state_dict()
        given = {name for name in ("mean", "std") if getattr(settings.backbone, name) is not None}  # not learnt
        fitting = {
            name: known[name]
            for name in wanted
            if name in known and known[name].shape == wanted[name].shape and name not in given
        }
        detector.load_state_dict(fitting, strict=False)
    new = tuple(name for name in wanted if name not in fitting and name not in given)
    if lost := [name for name in new if name.startswith("body.")]:
        raise WeightsError(
            f"{file}: has no fitting {lost[0]}, so its backbone is another one than {settings.backbone.name}"
            f" with batch_norm {settings.backbone.batch_norm}; leave out detector.backbone, or start"
        )
    return detector, card, new


def load_detect(weights: Path, device: str = "auto") -> NetworkDetect:
    """Return the Detect of a weights file or run folder; `device` is auto, cpu, cuda or another of torch's.

    Raises:
        WeightsError: if the weights cannot be used, or there is no such device.
    """
    detector, card = load_weights(weights)
    return NetworkDetect(detector, card, torch_device(device), named(_weights_file(weights)))


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


def _weights_file(path: Path) -> Path:
    file = path / WEIGHTS_NAME if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(f"{file}: no such weights file; expected a run folder or a .safetensors file of a run")
    return file


@contextmanager
def _fitting(file: Path) -> Iterator[None]:
    """Turn what goes wrong with the content of a weights file into a WeightsError that names it.

    Raises:
        WeightsError: if anything does.
    """
    try:
        yield
    except (KeyError, TypeError, ValidationError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise WeightsError(f"{file}: does not fit this version of Spica ({spica.__version__}): {first}") from error


def _description(file: Path) -> tuple[DetectorSettings, Card]:
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file}: damaged, or not a safetensors file ({error}); copy or train it again") from error
    if "spica" not in metadata:
        raise WeightsError(f"{file}: not weights of Spica; for a backbone's weights set backbone.weights in a recipe")
    described = json.loads(metadata["spica"])
    return DetectorSettings.model_validate(described["settings"]), card_from(described["card"], str(file))
