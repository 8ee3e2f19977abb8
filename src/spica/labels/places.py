"""Where the boxes of labels stand in their files, so that what looks wrong can be mended there."""

from collections import defaultdict

import numpy as np

from spica.labels.annotations import Annotations, BoxRow
from spica.labels.labelled import LabelledImage, Labels
from spica.labels.problems import Place


def places_of(annotations: Annotations, labels: Labels) -> dict[str, tuple[Place, ...]]:
    """Return the place of every box of `labels`, by the id of the image; they were made of `annotations`."""
    rows: dict[str, list[BoxRow]] = defaultdict(list)
    for row in annotations.rows:
        rows[row.image].append(row)
    return {image.id: _places(image, rows[image.id]) for image in labels}


def _places(image: LabelledImage, rows: list[BoxRow]) -> tuple[Place, ...]:
    """Return for each box the row with the nearest edges: it was cut at the border, and rounded to float32."""
    if not image.heads:
        return ()
    scale = np.array([image.width, image.height] * 2, dtype=np.float64)
    edges = np.array([np.multiply(row.edges, scale) if row.relative else row.edges for row in rows], dtype=np.float64)
    edges = np.nan_to_num(edges, nan=-1.0, posinf=-1.0, neginf=-1.0)
    inside = np.clip(edges, 0, scale)
    far = np.abs(inside[None] - image.boxes[:, None]).sum(axis=2)
    return tuple(rows[nearest].place for nearest in far.argmin(axis=1).tolist())
