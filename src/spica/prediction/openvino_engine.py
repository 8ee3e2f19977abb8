"""OpenVINO: the engine of the core, on the processor."""

from collections import OrderedDict
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino as ov

from spica.errors import WeightsError
from spica.image import Image
from spica.prediction.modelfile import BOXES, CAPPED, PHOTO, SCORES, SOUND
from spica.prediction.runtime import Facts, Output

_DEVICE = "CPU"
_PRECISION = "INFERENCE_PRECISION_HINT"
# All cores work on one photo: as quick for many photos as one core for each, and the first is there in half the time.
# What OpenVINO prepares for each number of proposals is kept for 16 of them only: else memory grows with every photo.
_SETTINGS = {"PERFORMANCE_HINT": "LATENCY", "CPU_RUNTIME_CACHE_CAPACITY": "16"}
# While one photo is in the network, another one is read, resized or drawn.
WORKERS = 2
MOST_SIZES = 4  # compiled networks kept; the photos of one camera have two sizes, upright and lying


class OpenVinoEngine:
    """A model file on the processor, compiled once for each size of photos: a sixth quicker than for any size."""

    workers = WORKERS

    def __init__(self, path: Path, precision: str | None = None) -> None:
        """Read a model file; `precision` is f32, bf16, or None for the fastest that the processor has.

        Raises:
            WeightsError: if OpenVINO cannot read it, or a weight is not finite.
        """
        self._settings = {**_SETTINGS, _PRECISION: precision or _fastest_precision()}
        self._lock = Lock()
        self._requests: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        try:
            self._model: Any = _core().read_model(path)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[-1]
            raise WeightsError(f"{path}: cannot be read by OpenVINO ({first}); export it again") from error
        _require_finite_weights(self._model, path)

    @property
    def facts(self) -> Facts:
        """Version, precision and threads."""
        return {
            "runtime": f"openvino {ov.__version__.partition('-')[0]}",
            "precision": self._settings[_PRECISION],
        }

    def __call__(self, photo: Image) -> Output:
        """Return what the network gives for a photo."""
        # One at a time: in two threads at once, OpenVINO's Python part can wait for itself for ever.
        with self._lock:
            request = self._request(photo.shape)
            request.infer({PHOTO: np.ascontiguousarray(photo)}, share_inputs=True)
            boxes, scores, capped, sound = (request.get_tensor(name).data for name in (BOXES, SCORES, CAPPED, SOUND))
            return Output(boxes.astype(np.float32), scores.astype(np.float32), bool(capped), float(sound))

    def _request(self, shape: tuple[int, ...]) -> Any:
        """Return what infers photos of a shape, compiled when the first one comes."""
        if shape not in self._requests:
            model = self._model.clone()
            model.reshape(list(shape))
            _remove_idle_resizing(model)
            compiled = _core().compile_model(model, _DEVICE, self._settings)
            self._requests[shape] = compiled.create_infer_request()
        self._requests.move_to_end(shape)
        while len(self._requests) > MOST_SIZES:
            self._requests.popitem(last=False)
        return self._requests[shape]


@cache
def _core() -> Any:
    """Return OpenVINO, one for the process and never let go.

    Its plugin gives the main thread a stack for signals. Unloaded with the last core, it takes that stack away without
    saying so, and the next Ctrl-C crashes Python.
    """
    return ov.Core()


def _fastest_precision() -> str:
    return str(_core().get_property(_DEVICE, _PRECISION).get_type_name())


def _require_finite_weights(model: Any, path: Path) -> None:
    """Do nothing if every weight is finite: OpenVINO's bounded activations can turn a NaN into a number.

    Raises:
        WeightsError: if one is not.
    """
    for node in model.get_ops():
        if (
            node.get_type_name() == "Constant"
            and node.get_element_type().is_real()
            and not np.isfinite(node.data).all()
        ):
            raise WeightsError(f"{path}: holds weights that are not finite; the file is broken: export it again")


def _remove_idle_resizing(model: Any) -> None:
    """Take out what resizes to the size that is there already: photos come in the network's size."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Interpolate":
            before, after = node.input(0).get_partial_shape(), node.output(0).get_partial_shape()
            if before.is_static and before == after:
                node.output(0).replace(node.input_value(0))
