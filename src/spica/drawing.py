"""Heads drawn on a photo: what was found, what was missed, and how many there are."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from spica.boxes import Boxes
from spica.image import Image

Colour: TypeAlias = tuple[int, int, int]

# Okabe and Ito's palette, told apart with every kind of colour blindness; none is the colour of leaves, straw or soil.
HIT: Colour = (86, 180, 233)  # sky blue
MISS: Colour = (240, 228, 66)  # yellow
FALSE: Colour = (213, 94, 0)  # vermillion
FOUND: Colour = HIT
_BLACK: Colour = (0, 0, 0)
_WHITE: Colour = (255, 255, 255)

_LINE = 1 / 512  # line width in parts of the photo's longer side: 2 pixels at 1024
_TEXT = 1 / 32  # height of the count in the same unit
_SMALLEST_TEXT = 11  # pixels; less cannot be read


def draw_heads(image: Image, boxes: Boxes, scores: Float[np.ndarray, " n"] | None = None) -> Image:
    """Return a copy of the photo with a frame around each head and their number in the upper left corner.

    With `scores` each frame carries its score in percent.
    """
    canvas = Pillow.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    _frames(draw, boxes, FOUND)
    if scores is not None:
        _score_labels(draw, boxes, scores)
    noun = "head" if len(boxes) == 1 else "heads"
    _panel(draw, [(f"{len(boxes)} {noun}", _WHITE)])
    return np.array(canvas)


def draw_evaluation(
    image: Image,
    found: Float[np.ndarray, "found 4"],
    truth: Float[np.ndarray, "truth 4"],
    matches: Int[np.ndarray, " found"],
) -> Image:
    """Return a copy of the photo with hits in blue, missed heads in yellow, false boxes in orange, and a legend.

    `matches` holds for each box found the row of the head in `truth` that it hits, or -1. Hits are drawn where they
    were found, misses where they are labelled.

    Raises:
        ValueError: if `matches` has not one number for each box found, or names a head that is not there.
    """
    if matches.shape != (len(found),) or (matches >= len(truth)).any():
        raise ValueError(
            f"matches are {matches.tolist()}, expected a head below {len(truth)} or -1 for {len(found)} boxes"
        )
    missed = np.ones(len(truth), dtype=bool)
    missed[matches[matches >= 0]] = False
    parts = [
        ("missed", truth[missed], MISS),
        ("false", found[matches < 0], FALSE),
        ("hit", found[matches >= 0], HIT),
    ]
    canvas = Pillow.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    for _, boxes, colour in parts:
        _frames(draw, boxes, colour)
    _panel(draw, [(f"{len(boxes)} {name}", colour) for name, boxes, colour in reversed(parts)])
    return np.array(canvas)


def draw_outline(image: Image, corners: Float[np.ndarray, "corners 2"]) -> Image:
    """Return a copy of the photo with lines from corner to corner, in pixels, and back to the first."""
    canvas = Pillow.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    way = [(x, y) for x, y in [*corners.tolist(), *corners[:2].tolist()]]  # beyond the first: all corners are joined
    draw.line(way, _BLACK, _line_width(draw) + 2, joint="curve")
    draw.line(way, MISS, _line_width(draw), joint="curve")
    return np.array(canvas)


def contact_sheet(
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]], columns: int, *, side: int = 320
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return the photos side by side, row by row, each scaled into a square of `side` pixels; the rest is black.

    Raises:
        ValueError: if there is no photo, or `columns` or `side` is below 1.
    """
    if not images or columns < 1 or side < 1:
        raise ValueError(f"{len(images)} photos in {columns} columns of {side} pixels, expected 1 or more of each")
    columns = min(columns, len(images))
    sheet = Pillow.new("RGB", (columns * side, -(-len(images) // columns) * side))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        scale = side / max(image.shape[:2])
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        scaled = Pillow.fromarray(image).resize(size, Pillow.Resampling.LANCZOS)
        sheet.paste(scaled, (column * side + (side - size[0]) // 2, row * side + (side - size[1]) // 2))
    return np.array(sheet)


def _frames(draw: ImageDraw.ImageDraw, boxes: Float[np.ndarray, "n 4"], colour: Colour) -> None:
    """Draw each box as a coloured frame on a darker one, so that it shows on bright and dark ground."""
    width, (right_most, bottom_most) = _line_width(draw), draw.im.size
    for left, top, right, bottom in np.round(boxes).astype(np.int64).tolist():
        # The last pixel inside lies one before the edge; a box thinner than a pixel is drawn as one.
        x, y = min(max(left, 0), right_most - 1), min(max(top, 0), bottom_most - 1)
        corner = max(x, min(right, right_most) - 1), max(y, min(bottom, bottom_most) - 1)
        shade = (max(x - 1, 0), max(y - 1, 0), corner[0] + 1, corner[1] + 1)
        draw.rectangle(shade, outline=_BLACK, width=width + 2)
        draw.rectangle((x, y, *corner), outline=colour, width=width)


def _score_labels(draw: ImageDraw.ImageDraw, boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"]) -> None:
    font = ImageFont.load_default(max(_SMALLEST_TEXT, _longer_side(draw) * _TEXT / 3))
    for (left, top, *_), score in zip(boxes.tolist(), scores.tolist(), strict=True):
        place = (left + 2 * _line_width(draw), top + _line_width(draw))
        draw.text(place, f"{score:.0%}", _WHITE, font, stroke_width=1, stroke_fill=_BLACK)


def _panel(draw: ImageDraw.ImageDraw, lines: Sequence[tuple[str, Colour]]) -> None:
    """Write lines of text on black in the upper left corner."""
    size = max(_SMALLEST_TEXT, round(_longer_side(draw) * _TEXT))
    font, margin, step = ImageFont.load_default(size), size // 2, round(size * 1.25)
    width = max(draw.textlength(text, font) for text, _ in lines)
    draw.rectangle((0, 0, width + 2 * margin, step * len(lines) + margin), fill=_BLACK)
    for number, (text, colour) in enumerate(lines):
        draw.text((margin, margin / 2 + number * step), text, colour, font)


def _line_width(draw: ImageDraw.ImageDraw) -> int:
    return max(1, round(_longer_side(draw) * _LINE))


def _longer_side(draw: ImageDraw.ImageDraw) -> int:
    longer: int = max(draw.im.size)
    return longer
