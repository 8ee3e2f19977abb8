"""Small curved surfaces that plants are made of, and how they look along a direction."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int32

FLAT, ROUND, GRAIN = 0, 1, 2  # a piece of leaf; a piece of stem or awn; an ellipsoid
OUTLINE = 12  # corners of the polygon that stands for the outline of a grain

Vectors = Float32[np.ndarray, "n 3"]
Numbers = Float32[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """How a surface looks: linear colour, and how that changes from its middle to its end.

    `shine` is the strength of the reflection of the sky, `veins` of stripes along the surface, `sheer` the share of
    light that comes through; each about 0 to 1.
    """

    colour: Float32[np.ndarray, "n 3"]
    change: Float32[np.ndarray, "n 3"]
    shine: Numbers
    veins: Numbers
    sheer: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """Many small surfaces in space: x to the right, y down the photo, z up from the ground.

    `axes` holds three half axes as columns. Grain: the half axes of the ellipsoid, the longest first. Flat and round
    pieces: half the width, half the length, and the unit normal; `corners` are then their true corners, so that
    neighbouring pieces share an edge. `turn` is the change of the normal from the middle to the end.
    """

    shape: Int32[np.ndarray, " n"]
    center: Vectors
    axes: Float32[np.ndarray, "n 3 3"]
    corners: Float32[np.ndarray, "n 4 3"]
    turn: Vectors
    taper: Numbers
    head: Int32[np.ndarray, " n"]
    finish: Finish

    def __len__(self) -> int:
        return len(self.shape)


def join(parts: Sequence[Surfaces]) -> Surfaces:
    """Return all surfaces of `parts`, in order; there must be one part at least."""
    looks = [part.finish for part in parts]
    names = [field.name for field in fields(Finish)]
    finish = Finish(**{name: np.concatenate([getattr(look, name) for look in looks]) for name in names})
    names = [field.name for field in fields(Surfaces) if field.name != "finish"]
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Surfaces(**arrays, finish=finish)


def scaled(surfaces: Surfaces, factor: float) -> Surfaces:
    """Return the surfaces with all lengths times `factor`."""
    lengths = np.full((len(surfaces), 1, 3), factor, dtype=np.float32)
    lengths[surfaces.shape != GRAIN, :, 2] = 1.0  # the third column is a normal there, of unit length
    return replace(
        surfaces,
        center=surfaces.center * np.float32(factor),
        corners=surfaces.corners * np.float32(factor),
        axes=surfaces.axes * lengths,
    )


def grains(center: Float[np.ndarray, "n 3"], axes: Float[np.ndarray, "n 3 3"], finish: Finish, head: int) -> Surfaces:
    """Return ellipsoids that belong to the head with the number `head`."""
    count = len(center)
    return Surfaces(
        shape=np.full(count, GRAIN, dtype=np.int32),
        center=center.astype(np.float32),
        axes=axes.astype(np.float32),
        corners=np.zeros((count, 4, 3), dtype=np.float32),
        turn=np.zeros((count, 3), dtype=np.float32),
        taper=np.zeros(count, dtype=np.float32),
        head=np.full(count, head, dtype=np.int32),
        finish=finish,
    )


def ribbons(
    line: Float32[np.ndarray, "k p 3"],
    side: Float32[np.ndarray, "k p 3"],
    finish: Finish,
    *,
    shape: int = FLAT,
) -> Surfaces:
    """Return `k` ribbons along lines of `p` points, each cut into p - 1 pieces.

    `side` reaches from the line to the edge of the ribbon. `finish` has a row for each piece, ribbon by ribbon.
    """
    left, right = line - side, line + side
    corners = np.stack([left[:, :-1], right[:, :-1], right[:, 1:], left[:, 1:]], axis=2)
    middle = (side[:, :-1] + side[:, 1:]) / 2
    half = (line[:, 1:] - line[:, :-1]) / 2
    normal = unit(np.cross(middle, half))
    ends = unit(np.cross(side, np.gradient(line, axis=1)))
    turn = (ends[:, 1:] - ends[:, :-1]) / 2
    widths = np.maximum(np.linalg.norm(side, axis=2), 1e-3)
    taper = (widths[:, 1:] - widths[:, :-1]) / (widths[:, 1:] + widths[:, :-1])
    count = half.shape[0] * half.shape[1]
    return Surfaces(
        shape=np.full(count, shape, dtype=np.int32),
        center=corners.mean(axis=2).reshape(count, 3).astype(np.float32),
        axes=np.stack([middle, half, normal], axis=-1).reshape(count, 3, 3).astype(np.float32),
        corners=corners.reshape(count, 4, 3).astype(np.float32),
        turn=turn.reshape(count, 3).astype(np.float32),
        taper=taper.reshape(count).astype(np.float32),
        head=np.full(count, -1, dtype=np.int32),
        finish=finish,
    )


def unit(vectors: Float[np.ndarray, "... 3"]) -> Float32[np.ndarray, "... 3"]:
    """Return the vectors divided by their lengths, as float32; a vector of zeros stays as it is."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-6), dtype=np.float32)
