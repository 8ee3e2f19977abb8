"""The border between NumPy and torch: photos become batches, what the network found becomes Detections."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from spica.detections import Detections
from spica.image import Image

PADDING_MULTIPLE = 32  # sizes that every backbone takes without a remainder


def photo_tensor(photo: Image) -> Tensor:
    """Return a photo as a uint8 tensor (3, height, width) that shares its memory where it can."""
    return torch.from_numpy(np.require(photo, requirements=["C", "W"])).permute(2, 0, 1)


def padded(photo: Tensor, mean: Tensor) -> Tensor:
    """Return a batch of one float32 photo in [0, 1], enlarged to the right and downwards with the mean colour."""
    height, width = photo.shape[-2:]
    rows, columns = -height % PADDING_MULTIPLE, -width % PADDING_MULTIPLE
    scaled = photo[None].float() / 255
    return pad(scaled - mean, (0, columns, 0, rows)) + mean if rows or columns else scaled


def as_detections(found: dict[str, Tensor], size: tuple[int, int], photo_size: tuple[int, int]) -> Detections:
    """Return what was found on a resized photo, in pixels of the photo; sizes are (height, width)."""
    boxes = found["boxes"].float().cpu().numpy()
    scores = found["scores"].float().cpu().numpy()
    # Half-precision sums of a softmax can end a rounding above 1.
    detections = Detections(boxes, np.clip(scores, 0, 1).astype(np.float32), bool(found["capped"]))
    return detections.scaled(photo_size[1] / size[1], photo_size[0] / size[0])
