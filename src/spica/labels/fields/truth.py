"""Which heads of a field are labelled, and their boxes."""

import numpy as np
from jaxtyping import Float32
from PIL import Image as Pictures
from PIL import ImageDraw

from spica.boxes import Boxes, clip, is_valid
from spica.labels.fields.surfaces import Surfaces
from spica.labels.fields.views import Ids, View
from spica.labels.labelled import LEAST_VISIBLE


def label_heads(surfaces: Surfaces, view: View, ids: Ids) -> Boxes:
    """Return boxes, in pixels of `ids`, of the heads of which at least 30 % is visible.

    A box encloses the whole head, also what others hide, cut at the border. What is visible is counted in pixels of
    `ids`, the picture that `paint` made of `view`, against all pixels that the head covers when it is alone.
    """
    count = int(surfaces.head.max(initial=-1)) + 1
    owner = np.concatenate([np.array([-1], dtype=np.int32), surfaces.head])
    seen = np.bincount(owner[ids].ravel() + 1, minlength=count + 1)[1:]
    boxes = np.zeros((count, 4), dtype=np.float32)
    whole = np.zeros(count, dtype=np.int64)
    for number in range(count):
        outlines = view.outlines[surfaces.head == number]
        boxes[number] = [*outlines.min(axis=(0, 1)), *outlines.max(axis=(0, 1))]
        whole[number] = _pixels(outlines)
    boxes = clip(boxes, ids.shape[1], ids.shape[0])
    return np.asarray(boxes[(seen >= LEAST_VISIBLE * whole) & is_valid(boxes)])


def _pixels(outlines: Float32[np.ndarray, "n k 2"]) -> int:
    """Return how many pixels the polygons cover together, when nothing hides them."""
    points = np.floor(outlines)
    points -= points.min(axis=(0, 1))
    width, height = (int(size) + 1 for size in points.max(axis=(0, 1)))
    picture = Pictures.new("L", (width, height), 0)
    draw = ImageDraw.Draw(picture)
    for polygon in points.reshape(len(points), -1).tolist():
        draw.polygon(polygon, fill=1)
    return int(np.count_nonzero(np.asarray(picture)))
