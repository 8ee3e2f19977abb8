"""Surfaces seen from far away along one direction: outlines, and maps from pixels to surface points."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, Int32
from PIL import Image as Pictures
from PIL import ImageDraw

from spica.labels.fields.surfaces import FLAT, GRAIN, OUTLINE, Surfaces

Ids = Int32[np.ndarray, "rows columns"]
_Parts: TypeAlias = tuple[  # inverse, rise, normal, marks and outlines of a `View`
    Float32[np.ndarray, "n 2 2"],
    Float32[np.ndarray, "n 3"],
    Float32[np.ndarray, "n 3 3"],
    Float32[np.ndarray, "n 2 3"],
    Float32[np.ndarray, "n k 2"],
]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the surfaces look like in a parallel projection: pixel = (x, y) + z * slant.

    In the coordinates (u, v) of a surface, u = inverse[0] . (pixel - middle) and v alike; w = sqrt(1 - u^2 - v^2) on
    grains, sqrt(1 - u^2) on round pieces, 1 on flat ones. Height is z + rise . (u, v, w), the normal (not of unit
    length) normal @ (u, v, w), and marks[0] . (u, v, w) goes from -1 at the base to 1 at the tip, marks[1] across.
    """

    slant: tuple[float, float]
    middle: Float32[np.ndarray, "n 2"]
    inverse: Float32[np.ndarray, "n 2 2"]
    outlines: Float32[np.ndarray, "n k 2"]
    nearness: Float32[np.ndarray, " n"]
    rise: Float32[np.ndarray, "n 3"]
    normal: Float32[np.ndarray, "n 3 3"]
    marks: Float32[np.ndarray, "n 2 3"]


def look(surfaces: Surfaces, slant: tuple[float, float]) -> View:
    """Return how the surfaces look from the direction (-slant[0], -slant[1], 1)."""
    project = np.array([[1, 0, slant[0]], [0, 1, slant[1]]], dtype=np.float32)
    toward = np.array([-slant[0], -slant[1], 1.0], dtype=np.float32)
    is_grain = surfaces.shape == GRAIN
    inverse, rise, normal, marks, outlines = _pieces(surfaces, project, toward)
    if is_grain.any():
        parts = _ellipses(surfaces.axes[is_grain], project, toward)
        for whole, part in zip((inverse, rise, normal, marks, outlines), parts, strict=True):
            whole[is_grain] = part
    middle = surfaces.center @ project.T
    outlines[is_grain] += middle[is_grain, None]
    return View(slant, middle, inverse, outlines, surfaces.center @ toward, rise, normal, marks)


def _pieces(surfaces: Surfaces, project: Float32[np.ndarray, "2 3"], toward: Float32[np.ndarray, "3"]) -> _Parts:
    """Return inverse, rise, normal, marks and outlines of flat and round pieces (rows of grains mean nothing)."""
    side, along, up = (surfaces.axes[:, :, column] for column in range(3))
    flip = np.where(up @ toward < 0, -1.0, 1.0).astype(np.float32)[:, None]
    flat = (surfaces.shape == FLAT)[:, None]
    across = side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    # A leaf is folded a little along its midrib; a stem is a cylinder.
    curl = np.where(flat, across * 0.45, across)
    normal = np.stack([curl, flip * surfaces.turn, flip * up], axis=-1)
    depth = np.where(flat[:, 0], 0.0, np.linalg.norm(side, axis=1))
    rise = np.stack([side[:, 2], along[:, 2], depth], axis=-1)
    marks = np.broadcast_to(np.array([[0, 1, 0], [1, 0, 0]], dtype=np.float32), (len(side), 2, 3)).copy()
    outlines = np.repeat(surfaces.corners @ project.T, OUTLINE // 4, axis=1)
    axes = np.stack([side @ project.T, along @ project.T], axis=-1)
    return _inverse(axes), rise.astype(np.float32), normal.astype(np.float32), marks, outlines.astype(np.float32)


def _ellipses(
    axes: Float32[np.ndarray, "n 3 3"], project: Float32[np.ndarray, "2 3"], toward: Float32[np.ndarray, "3"]
) -> _Parts:
    """Return inverse, rise, normal, marks and outlines (about 0) of ellipsoids.

    The ellipsoid is axes @ sphere. Rows of `frame` are the two sphere directions that span its outline and the one
    that points at the viewer, so that sphere = frame.T @ (u, v, w).
    """
    flat = project @ axes
    spread = flat @ flat.transpose(0, 2, 1)
    root = np.linalg.cholesky(spread + 1e-4 * np.eye(2, dtype=np.float32))
    inverse = _inverse(root)
    pair = inverse @ flat
    facing = np.cross(pair[:, 0], pair[:, 1])
    facing *= np.where(np.einsum("nij,nj,i->n", axes, facing, toward) < 0, -1.0, 1.0)[:, None]
    frame = np.concatenate([pair, facing[:, None]], axis=1)
    normal = np.linalg.inv(axes).transpose(0, 2, 1) @ frame.transpose(0, 2, 1)
    normal /= np.abs(normal).max(axis=(1, 2), keepdims=True)
    rise = np.einsum("nj,nij->ni", axes[:, 2], frame)
    angle = np.arange(OUTLINE) * (2 * np.pi / OUTLINE)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    outlines = (root @ circle).transpose(0, 2, 1).astype(np.float32)
    return inverse, rise, normal, frame.transpose(0, 2, 1)[:, :2], outlines


def _inverse(matrices: Float32[np.ndarray, "n 2 2"]) -> Float32[np.ndarray, "n 2 2"]:
    """Return the inverse matrices; of a surface seen edge-on, something finite."""
    a, b, c, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 0], matrices[:, 1, 1]
    determinant = a * d - b * c
    safe = np.where(np.abs(determinant) < 0.05, np.where(determinant < 0, -0.05, 0.05), determinant)
    return (np.array([[d, -b], [-c, a]]).transpose(2, 0, 1) / safe[:, None, None]).astype(np.float32)


def paint(view: View, height: int, width: int, corner: tuple[float, float] = (0.0, 0.0), cell: float = 1.0) -> Ids:
    """Return for each pixel the number of the surface nearest to the viewer plus one; 0 is the ground.

    Surfaces are painted from far to near. `corner` is the place of the top left corner, `cell` the distance between
    two pixels.
    """
    points = np.floor((view.outlines - np.array(corner, dtype=np.float32)) / np.float32(cell))
    low, high = points.min(axis=1), points.max(axis=1)
    visible = (high >= 0).all(axis=1) & (low[:, 0] < width) & (low[:, 1] < height)
    order = np.argsort(view.nearness, kind="stable")
    picture = Pictures.new("I", (width, height), 0)
    draw = ImageDraw.Draw(picture)
    for number in order[visible[order]].tolist():
        draw.polygon(points[number].ravel().tolist(), fill=number + 1)
    return np.asarray(picture, dtype=np.int32)
