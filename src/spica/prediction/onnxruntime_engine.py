"""ONNX Runtime: the other engine, where OpenVINO does not run; it gives the same boxes. Extra `onnxruntime`."""

from pathlib import Path
from typing import Any

import numpy as np

from spica.errors import MissingExtraError, WeightsError
from spica.image import Image
from spica.prediction.modelfile import BOXES, CAPPED, PHOTO, SCORES, SOUND
from spica.prediction.runtime import Facts, Output


class OnnxRuntimeEngine:
    """A model file on the processor, in float32."""

    workers = 2  # as many as keep the cores busy; each call uses all of them

    def __init__(self, path: Path) -> None:
        """Read a model file.

        Raises:
            MissingExtraError: if ONNX Runtime is not installed.
            WeightsError: if it cannot read the file.
        """
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "onnxruntime is not installed: pip install 'spica-wheat[onnxruntime]', or use device cpu"
            ) from error
        self._version = onnxruntime.__version__
        try:
            self._session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # it has exception classes of its own, which derive from nothing narrower
            first = str(error).strip().splitlines()[0]
            raise WeightsError(f"{path}: cannot be read by ONNX Runtime ({first}); export it again") from error

    @property
    def facts(self) -> Facts:
        """Version and precision."""
        return {"runtime": f"onnxruntime {self._version}", "precision": "f32"}

    def __call__(self, photo: Image) -> Output:
        """Return what the network gives for a photo."""
        names = [BOXES, SCORES, CAPPED, SOUND]
        boxes, scores, capped, sound = self._session.run(names, {PHOTO: np.ascontiguousarray(photo)})
        return Output(boxes, scores, bool(capped), float(sound))
