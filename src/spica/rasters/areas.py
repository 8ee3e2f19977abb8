"""Which parts of a raster become photos: all of it, or what lies wholly inside areas whose heads were corrected."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Int

from spica.errors import AnnotationError
from spica.labels.problems import Place, Problem
from spica.prediction.tiles import Tile
from spica.rasters.coordinates import Coordinates
from spica.rasters.raster import Raster
from spica.rasters.shapes import Shape, in_frame, moved, read_layer, sound_polygons

_SHIFTS = 16  # places of the grid along an axis that are tried: at most a sixteenth of a side is given away
_HAND = 1.0  # pixels that an outline may be off: nobody draws, and no projection gives, the edge of a pixel


def whole_tiles(width: int, height: int, side: int) -> list[Tile]:
    """Return tiles that cover all and do not overlap: as near to `side` as parts of one size can be.

    >>> [(tile.left, tile.width) for tile in whole_tiles(2500, 900, side=1000)]
    [(0, 1250), (1250, 1250)]
    """
    across, down = _edges(width, side), _edges(height, side)
    return [
        Tile(left, top, right - left, bottom - top)
        for top, bottom in pairwise(down)
        for left, right in pairwise(across)
    ]


def read_area(file: Path, raster: Raster, where: Coordinates, layer: str | None) -> tuple[Shape, list[Problem]]:
    """Return the union of the polygons of a layer in pixels of the frame, and what is wrong with them.

    Raises:
        AnnotationError: if the file cannot be read, has no coordinate system or several layers to choose from.
        MissingExtraError: if the packages of the extra `geo` are not installed.
    """
    features = read_layer(file, name=layer, option="--area-layer")
    import shapely

    shapes: list[Shape] = []
    problems: list[Problem] = []
    for fid, shape in zip(features.fids, features.shapes, strict=True):
        for one in sound_polygons(Place(file, fid, "fid"), "the area", shape):
            if isinstance(one, Problem):
                problems.append(one)
            elif np.isfinite((here := moved(one, features.crs, where)).bounds).all():
                shapes.append(shapely.transform(here, lambda points: in_frame(points, raster, where)))
    return shapely.union_all(shapes), problems


def tiles_inside(area: Shape, size: tuple[int, int], side: int) -> list[Tile]:
    """Return tiles of `side` x `side` pixels that lie wholly inside an area and a frame of `size` (width, height).

    They do not overlap. Each part of the area has a grid of its own, that of a few with the most tiles in it. An
    outline may be a pixel off.
    """
    import shapely

    inside = shapely.get_parts(shapely.intersection(area, shapely.box(0, 0, *size)))
    tiles: list[Tile] = []
    for part in inside:
        if part.area > 0:  # where they only touch there are lines and points, and nothing is an empty polygon
            tiles.extend(tile for tile in _tiles_in(part, size, side) if not _overlaps(tile, tiles))
    return tiles


def require_tiles(tiles: list[Tile], file: Path, side: int) -> None:
    """Do nothing if there are tiles.

    Raises:
        AnnotationError: if no tile of `side` fits into the areas of the file.
    """
    if not tiles:
        raise AnnotationError(
            f"{file}: no photo of {side} x {side} pixels lies wholly inside its polygons and the raster; "
            "give a smaller --side, draw a larger area, or check its coordinate system"
        )


def _overlaps(tile: Tile, others: list[Tile]) -> bool:
    """Return whether a tile shares pixels with others of its size: parts that nearly touch are a pixel too wide."""
    corners = np.array([(one.left, one.top) for one in others], dtype=np.int64).reshape(-1, 2)
    return bool((np.abs(corners - [tile.left, tile.top]) < [tile.width, tile.height]).all(axis=1).any())


def _edges(length: int, side: int) -> list[int]:
    count = max(1, round(length / side))
    return [number * length // count for number in range(count + 1)]


def _tiles_in(part: Shape, size: tuple[int, int], side: int) -> list[Tile]:
    """Return the tiles of the best grid in a polygon; of equally good ones, that of the first place, row by row."""
    import shapely

    left, top, right, bottom = (round(edge) for edge in part.bounds)
    wide = part.buffer(_HAND)
    shapely.prepare(wide)
    shifts = [number * side // _SHIFTS for number in range(_SHIFTS)]
    best = np.zeros((0, 2), dtype=np.int64)
    for down in shifts:
        for across in shifts:
            corners = _grid((left + across, top + down), (min(right, size[0]), min(bottom, size[1])), side)
            within = corners[shapely.contains(wide, shapely.box(*corners.T, *(corners + side).T))]
            best = within if len(within) > len(best) else best
    return [Tile(int(x), int(y), side, side) for x, y in best.tolist()]


def _grid(start: tuple[int, int], end: tuple[int, int], side: int) -> Int[np.ndarray, "n 2"]:
    """Return left and top of all squares of a grid that end before `end`, row by row."""
    across = np.arange(start[0], end[0] - side + 1, side)
    down = np.arange(start[1], end[1] - side + 1, side)
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
