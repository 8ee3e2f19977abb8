"""Cutting: a raster and the heads that were corrected over it, as labelled photos for training."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from spica.errors import AnnotationError, OutputError
from spica.images import make_folder, write_image
from spica.labels.annotations import AnnotatedImage, Annotations, BoxRow
from spica.labels.audit import labels_from
from spica.labels.folder import require_new, write_labels
from spica.labels.labelled import LEAST_VISIBLE, Labels
from spica.labels.problems import Place, Problem, error
from spica.prediction.tiles import Tile
from spica.rasters.areas import read_area, require_tiles, tiles_inside, whole_tiles
from spica.rasters.coordinates import Coordinates
from spica.rasters.drawn import Drawn, read_drawn
from spica.rasters.raster import Raster, Window, opened


@dataclass(frozen=True, slots=True)
class Cut:
    """What to cut: the raster, the heads on it, and where they are complete (`area`, None for everywhere).

    Photos have `side` pixels, and `source` as that of their labels. `layer` and `area_layer` choose among several
    layers of a file.
    """

    raster: Path
    heads: Path
    side: int
    source: str
    area: Path | None = None
    layer: str | None = None
    area_layer: str | None = None


@dataclass(frozen=True, slots=True)
class Cuttings:
    """What was cut: the labels, how many features are on them, of how many, and what was wrong.

    `empty` counts the tiles without a pixel, which are left out. A head may be on two photos, or on none.
    """

    labels: Labels
    features: int
    used: int
    empty: int
    problems: tuple[Problem, ...]


def cut_raster(
    cut: Cut, out: Path, layout: str, *, told: Callable[[int, int], None] = lambda _done, _all: None
) -> Cuttings:
    """Write photos of parts of a raster, with the boxes of the heads on them, to `out`, new or empty, in a layout.

    Photos are PNG files of what a detector sees: `Raster.read`. They do not overlap. A head that is cut by an edge is
    on a photo with what is to be seen of it, if that is 30 % of its box. `told` gets how many parts are done, of all.

    Raises:
        AnnotationError: if heads or area cannot be read, the raster has no coordinates, or no photo fits into the area.
        ImageError: if the raster cannot be read.
        OutputError: if the folder is not empty or cannot be written.
        MissingExtraError: if the packages of the extra `geo` are not installed.
        ValueError: if there is no such layout.
    """
    require_new(out)
    with opened(cut.raster) as raster:
        where = _coordinates(raster, cut.heads)
        heads, problems = read_drawn(cut.heads, raster, where, cut.layer)
        tiles, flaws = _tiles(cut, raster, where)
        make_folder(out.parent)
        with _desk(out) as desk:
            pieces = _pieces(raster, heads, tiles, cut, Path(desk), told)
            labels, found = labels_from(pieces.annotations)
            write_labels(labels, out, layout)
    features = len(heads.places) + sum(one.severity == "error" for one in problems)
    return Cuttings(labels, features, len(pieces.used), pieces.empty, (*problems, *flaws, *found))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A photo on the disk, the heads on it, and those where the raster has no pixel."""

    image: AnnotatedImage
    rows: tuple[BoxRow, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Photos on the disk with their rows, the features that these come from, and how many tiles had no pixel."""

    annotations: Annotations
    used: frozenset[Place]
    empty: int


def _coordinates(raster: Raster, heads: Path) -> Coordinates:
    """Return where a raster lies.

    Raises:
        AnnotationError: if it does not say so.
    """
    if raster.coordinates is None:
        raise AnnotationError(
            f"{heads}: {raster.path} has no coordinate system on the earth, which polygons of heads need; "
            "export it with its coordinates, or correct photos in Label Studio or CVAT"
        )
    return raster.coordinates


def _tiles(cut: Cut, raster: Raster, where: Coordinates) -> tuple[list[Tile], list[Problem]]:
    """Return the parts to be cut out, and what is wrong with the areas."""
    if cut.area is None:
        return whole_tiles(*raster.frame, cut.side), []
    area, problems = read_area(cut.area, raster, where, cut.area_layer)
    tiles = tiles_inside(area, raster.frame, cut.side)
    require_tiles(tiles, cut.area, cut.side)
    return tiles, problems


def _desk(out: Path) -> "tempfile.TemporaryDirectory[str]":
    """Return a folder beside `out`, so that photos move there as links, which goes away in any case.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        return tempfile.TemporaryDirectory(prefix=f".{out.name}-photos-", dir=out.parent)
    except OSError as broken:
        raise OutputError(f"{out}: cannot be written ({broken.strerror}); check rights and space") from broken


def _pieces(
    raster: Raster, heads: Drawn, tiles: list[Tile], cut: Cut, desk: Path, told: Callable[[int, int], None]
) -> _Pieces:
    """Write the photo of each tile with pixels to `desk`, and return these with what is on them."""
    pieces: list[_Piece] = []
    for number, (tile, near) in enumerate(zip(tiles, _candidates(heads, tiles), strict=True), start=1):
        window = raster.read(tile)
        if not window.empty:
            pieces.append(_piece(window, heads, near, cut, desk))
        told(number, len(tiles))
    annotations = Annotations(
        desk,
        tuple(one.image for one in pieces),
        tuple(row for one in pieces for row in one.rows),
        tuple(problem for one in pieces for problem in one.problems),
    )
    used = frozenset(row.place for row in annotations.rows)
    return _Pieces(annotations, used, len(tiles) - len(pieces))


def _piece(window: Window, heads: Drawn, near: Int[np.ndarray, " n"], cut: Cut, desk: Path) -> _Piece:
    """Write the photo of a window to `desk`, and return it with the heads on it, of those near it."""
    tile = window.tile
    name = f"{cut.raster.stem}_{tile.left}_{tile.top}"
    path = desk / f"{name}.png"
    write_image(path, window.pixels)
    image = AnnotatedImage(name, path, Place(cut.raster), tile.width, tile.height, cut.source)
    chosen, boxes = _seen(heads, near, tile)
    lit = _lit(boxes, window)
    rows = [
        BoxRow(name, (left, top, right, bottom), heads.places[one])
        for one, (left, top, right, bottom) in zip(chosen[lit].tolist(), boxes[lit].tolist(), strict=True)
    ]
    return _Piece(image, tuple(rows), tuple(_dark(name, heads.places[one]) for one in chosen[~lit].tolist()))


def _candidates(heads: Drawn, tiles: list[Tile]) -> list[Int[np.ndarray, " _"]]:
    """Return for each tile the heads that may be on it, in the order of the file."""
    import shapely

    tree = shapely.STRtree(shapely.box(*heads.boxes.T))
    squares = [shapely.box(t.left, t.top, t.left + t.width, t.top + t.height) for t in tiles]
    tile, head = tree.query(squares)
    return [np.sort(head[tile == number]) for number in range(len(tiles))]


def _seen(
    heads: Drawn, candidates: Int[np.ndarray, " n"], tile: Tile
) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, "m 4"]]:
    """Return which heads are to be seen on a tile, and their boxes in its pixels, cut at its edges."""
    whole = heads.boxes[candidates] - np.array([tile.left, tile.top] * 2)
    inside = np.clip(whole, 0, [tile.width, tile.height] * 2)
    areas, seen = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (whole, inside))
    # Polygons without an area go on as they are: the audit tells them.
    kept = np.where(areas > 0, seen >= LEAST_VISIBLE * areas, (whole == inside).all(axis=1))
    return candidates[kept], inside[kept]


def _lit(boxes: Float[np.ndarray, "n 4"], window: Window) -> Bool[np.ndarray, " n"]:
    """Return which boxes have a pixel at their centre, as it is asked for where heads are detected."""
    if window.valid is None:
        return np.ones(len(boxes), dtype=np.bool_)
    height, width = window.valid.shape
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    column, row = np.clip(centres.astype(np.int64), 0, [width - 1, height - 1]).T
    return np.asarray(window.valid[row, column])


def _dark(image: str, place: Place) -> Problem:
    text = "the raster has no pixel at the middle of the box"
    return error("no pixels", place, image, text, "delete it, or move it; it is left out")
