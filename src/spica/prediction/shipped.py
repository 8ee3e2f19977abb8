"""The files inside the package that were learnt: where they lie, and that they are whole."""

import hashlib
from pathlib import Path

import spica
from spica.errors import WeightsError

SHIPPED = "wheat"  # the name under which commands and recipes know them
_FOLDER = Path(spica.__file__).parent / "weights"
_DIGESTS = "SHA256SUMS"  # in the form of the command sha256sum


def shipped_model() -> Path:
    """Return the path of the shipped model file, for detecting.

    Raises:
        WeightsError: if it is missing or damaged.
    """
    return _whole(f"{SHIPPED}.onnx")


def weights_path(name: str) -> Path:
    """Return the path of weights to learn from: those in the package for `wheat`, else `name` itself as a path.

    Raises:
        WeightsError: if those in the package are missing or damaged.
    """
    return _whole(f"{SHIPPED}.safetensors") if name == SHIPPED else Path(name)


def _whole(name: str) -> Path:
    """Return the path of a file in the package whose digest is the one written down beside it.

    Raises:
        WeightsError: if it is another one, or the file cannot be read.
    """
    path, digests = _FOLDER / name, _FOLDER / _DIGESTS
    try:
        lines = [line.split() for line in digests.read_text(encoding="utf-8").splitlines()]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"{error.filename}: cannot be read ({error.strerror}); install Spica again") from error
    if [digest, name] not in lines:
        raise WeightsError(f"{path}: is damaged (its digest is not the one in {_DIGESTS}); install Spica again")
    return path
