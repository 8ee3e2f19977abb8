"""Density: heads per square metre on a grid over a raster, and a map of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from spica.boxes import Boxes
from spica.images import write_image
from spica.prediction.tiles import Tile
from spica.rasters.coordinates import Points
from spica.rasters.raster import Raster

_CELLS = 60  # along the longer side, about
_LEAST_CELL = 0.25  # m: fewer heads in a cell are chance
_SAMPLES = 8  # of a cell's side, at which is looked for pixels
_LEAST_SEEN = 0.25  # of a cell: with less of it, one head is a density
# Viridis by Smith and van der Walt, CC0: even in brightness, and told apart with every kind of colour blindness.
_COLOURS = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], dtype=np.float64)
_UNSEEN = (225, 225, 225)
_SIDE, _LEGEND, _FOOT, _TEXT = 900, 150, 50, 15  # pixels: of the map, beside it, below it, of letters


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """Heads per square metre in cells of `cell` metres, NaN where hardly anything is seen; a cell has `pixels`."""

    heads: Float[np.ndarray, "rows columns"]
    cell: float
    pixels: float


def density_of(raster: Raster, boxes: Boxes, gsd: float) -> Density:
    """Return the density of boxes, in pixels of the raster, whose frame's pixels measure `gsd` mm."""
    width, height = raster.frame
    metre = 1000 / gsd
    cell = round_length(max(_LEAST_CELL, max(width, height) / metre / _CELLS))
    pixels = cell * metre
    shape = max(1, math.ceil(height / pixels)), max(1, math.ceil(width / pixels))
    centres = (boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2
    places = centres * np.array([width / raster.width, height / raster.height]) / pixels
    column, row = np.clip(places.astype(np.int64), 0, [shape[1] - 1, shape[0] - 1]).T
    counts = np.zeros(shape)
    np.add.at(counts, (row, column), 1)
    area = _seen(raster, shape, pixels) * (gsd / 1000) ** 2
    heads = np.full(shape, np.nan)
    np.divide(counts, area, out=heads, where=area >= _LEAST_SEEN * cell**2)
    return Density(heads, cell, pixels)


def write_map(file: Path, raster: Raster, density: Density, outlines: Sequence[Points]) -> None:
    """Write a map of the density, as PNG or JPEG, with plots outlined; `outlines` are rings in pixels of the frame.

    Up is the raster's first row, which is north on most. A grey cell is one of which less than a quarter can be seen.

    Raises:
        OutputError: if it cannot be written.
    """
    rows, columns = density.heads.shape
    zoom = _SIDE / max(raster.frame)  # pixels of the map in one of the frame
    width, height = (max(1, round(side * zoom)) for side in raster.frame)
    most = _most(density)
    cells = Pillow.fromarray(coloured(density.heads / most))
    size = max(1, round(columns * density.pixels * zoom)), max(1, round(rows * density.pixels * zoom))
    grown = cells.resize(size, Pillow.Resampling.NEAREST)
    canvas = Pillow.new("RGB", (width + _LEGEND, max(height, _SIDE // 3) + _FOOT), "white")
    canvas.paste(grown.crop((0, 0, width, height)), (0, 0))
    draw = ImageDraw.Draw(canvas)
    for ring in outlines:
        line = [(float(x), float(y)) for x, y in ring * zoom]
        draw.line(line, "white", 5)
        draw.line(line, "black", 2)
    draw.rectangle((width, 0, *canvas.size), "white")
    draw.rectangle((0, height, *canvas.size), "white")
    _legend(canvas, draw, width, most)
    _scale_bar(draw, canvas.size[1] - _FOOT, width, zoom * density.pixels / density.cell)
    write_image(file, np.asarray(canvas))


def coloured(parts: Float[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "rows columns 3"]:
    """Return a colour for each number from 0 to 1; grey for NaN.

    >>> coloured(np.array([[0.0, 1.0, np.nan]])).tolist()
    [[[68, 1, 84], [253, 231, 37], [225, 225, 225]]]
    """
    stops = np.linspace(0, 1, len(_COLOURS))
    filled = np.nan_to_num(parts)
    colours = np.stack([np.interp(filled, stops, channel) for channel in _COLOURS.T], axis=-1)
    colours[np.isnan(parts)] = _UNSEEN
    return np.asarray(np.round(colours).astype(np.uint8))


def round_length(length: float) -> float:
    """Return the least of ..., 0.5, 1, 2, 5, 10, ... and 0.25 that is not shorter.

    >>> round_length(0.3), round_length(1.2), round_length(0.25), round_length(7)
    (0.5, 2.0, 0.25, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(length))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= length * (1 - 1e-9))


def _seen(raster: Raster, shape: tuple[int, int], pixels: float) -> Float[np.ndarray, "rows columns"]:
    """Return how many pixels of the frame can be seen in each cell: those inside the frame, by the part with pixels."""
    (width, height), (rows, columns) = raster.frame, shape
    inside = np.outer(_lengths(height, rows, pixels), _lengths(width, columns, pixels))
    size = min(height, rows * _SAMPLES), min(width, columns * _SAMPLES)
    valid = raster.valid(Tile(0, 0, width, height), size)
    if valid is None:
        return inside
    # Samples are spread over the frame, not over cells, of which some get more of them than others.
    down = ((np.arange(size[0]) + 0.5) * height / size[0] / pixels).astype(np.int64)
    across = ((np.arange(size[1]) + 0.5) * width / size[1] / pixels).astype(np.int64)
    seen, samples = np.zeros(shape), np.zeros(shape)
    np.add.at(seen, (down[:, None], across[None]), valid)
    np.add.at(samples, (down[:, None], across[None]), 1)
    return np.asarray(inside * seen / np.maximum(samples, 1))  # without a sample a cell is a sliver, and left grey


def _lengths(length: int, cells: int, pixels: float) -> Float[np.ndarray, " cells"]:
    """Return how many of `length` pixels lie in each cell along an axis; the last one may reach beyond them.

    >>> _lengths(1010, 3, 500.0).tolist()
    [500.0, 500.0, 10.0]
    """
    return np.asarray(np.diff(np.minimum(np.arange(cells + 1) * pixels, length)))


def _most(density: Density) -> float:
    """Return the density at the upper end of the colours."""
    known = density.heads[np.isfinite(density.heads)]
    return round_length(max(1.0, float(known.max()))) if len(known) else 1.0


def _legend(canvas: Pillow.Image, draw: ImageDraw.ImageDraw, left: int, most: float) -> None:
    """Draw the colours with their densities."""
    font, height, top = ImageFont.load_default(_TEXT), _SIDE // 4, 40
    bar = coloured(np.repeat(np.linspace(1, 0, height)[:, None], 20, axis=1))
    canvas.paste(Pillow.fromarray(bar), (left + 20, top))
    draw.text((left + 20, 10), "heads per m2", "black", font)
    for part in (0, 0.5, 1):
        draw.text((left + 50, top + (1 - part) * height - _TEXT / 2), f"{part * most:g}", "black", font)


def _scale_bar(draw: ImageDraw.ImageDraw, top: int, width: int, metre: float) -> None:
    """Draw a line of a round length, about a quarter of the map; a metre has that many pixels."""
    font, length = ImageFont.load_default(_TEXT), round_length(width / metre / 5)
    draw.line((10, top + 15, 10 + length * metre, top + 15), "black", 4)
    draw.text((10, top + 22), f"{length:g} m", "black", font)
