"""Loading a detector, whatever it is: the shipped model, a model file, or what a training left."""

from collections.abc import Sequence
from pathlib import Path

from spica.errors import WeightsError, needing
from spica.prediction.combination import combined
from spica.prediction.modelfile import MODEL_SUFFIX
from spica.prediction.runtime import DEVICES, Detector, load_model
from spica.prediction.shipped import SHIPPED, shipped_model, weights_path


def load_detector(weights: Path | str | None = None, device: str = "auto") -> Detector:
    """Return a detector: any photo in, `Detections` out; `detector.card.threshold` is the score it recommends.

    `weights` is a model file (`.onnx`), or a run folder or weights file of a training, which need torch; None for the
    shipped model. `device` is `auto`, `cpu` or `onnxruntime` for a model file; `auto`, `cpu`, `cuda` or another device
    of PyTorch for a training. On those the shipped weights run in torch.

    Raises:
        WeightsError: if the weights cannot be used, or there is no such device.
        MissingExtraError: if the device, or the weights, need something that is not installed.
    """
    if weights is None or str(weights) == SHIPPED:
        path = shipped_model() if device in DEVICES else weights_path(SHIPPED)
    else:
        path = Path(weights)
    if path.suffix == MODEL_SUFFIX:
        return load_model(path, device)
    if device == "onnxruntime":
        raise WeightsError(f"{path}: device onnxruntime runs model files; make one by `spica export`")
    with needing("train", str(path)):
        from spica.model.checkpoint import load_detect
    return load_detect(path, device)


def load_ensemble(weights: Sequence[Path | str | None] = (), device: str = "auto", *, views: int = 1) -> Detector:
    """Return the detectors of several weights as one that looks at 1, 2, 4 or 8 views of each photo.

    Each of `weights` and `device` are as in `load_detector`; without any it is the shipped model.

    Raises:
        WeightsError: if the weights cannot be used, or there is no such device.
        MissingExtraError: if the device, or the weights, need something that is not installed.
        ValueError: if `views` is another number.
    """
    return combined([load_detector(one, device) for one in weights or (None,)], views)
