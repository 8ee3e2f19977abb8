"""Which head each detection of one photo hits, for pictures."""

import numpy as np
from jaxtyping import Int

from spica.boxes import Boxes, iou
from spica.detections import Detections

HIT_IOU = 0.5  # the lowest threshold of the competition


def paired_heads(found: Detections, truth: Boxes) -> Int[np.ndarray, " found"]:
    """Return for each detection the row of the head in `truth` that it hits, or -1.

    As in rule `kaggle`: highest score first, each takes the best head that is still free, at an IoU above 0.5.

    >>> heads = np.array([[0, 0, 10, 10]], dtype=np.float32)
    >>> boxes = np.array([[0, 0, 10, 9], [0, 0, 9, 10]], dtype=np.float32)
    >>> twice = Detections(boxes, np.array([0.9, 0.8], dtype=np.float32))
    >>> paired_heads(twice, heads).tolist()
    [0, -1]
    """
    overlaps = iou(found.boxes, truth)
    heads = np.full(len(found), -1, dtype=np.int64)
    for number, row in enumerate(overlaps):
        if row.size and row.max() > HIT_IOU:
            heads[number] = row.argmax()
            overlaps[:, heads[number]] = 0
    return heads
