"""The audit of the boxes of one photo: what is no box, what cannot be a head, what deserves a look."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from spica.boxes import Boxes, clip, iou, is_valid, no_boxes
from spica.labels.annotations import BoxRow
from spica.labels.problems import Place, Problem, error, warning

# Areas are in square pixels of a photo of 1024 x 1024, as in the public data set, and scale with the photo's area;
# the least area does not scale up: a larger photo may show a larger field.
REFERENCE_AREA = 1024 * 1024
SUSPICIOUS_AREA = 100_000  # the usual filter of the competition, which four revised boxes of real heads exceed
IMPOSSIBLE_AREA = 200_000  # a fifth of the photo; the largest revised box of a real head has 131,140
LEAST_SCALE = 0.25  # a photo under 512 x 512 is rather a crop than a smaller copy: its heads may fill it
TINY_AREA = 40  # a slip of the mouse; the smallest revised box of a real head has 288
LEAST_SIDE = 2.0  # pixels; less is a line
SLIVER_RATIO = 15.0  # longer to shorter side; the longest revised box of a real head has 11
DOUBLE_IOU = 0.9  # two boxes of one head
ROUNDING = 0.01  # pixels; the decimals of a file may stand that far over the border without a word

_LEFT_OUT = "mend or delete it; it is left out"
_KEPT = "look at it; it is kept"

_Rows: TypeAlias = Float[np.ndarray, "n 4"]
_Mask: TypeAlias = Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class _Flaw:
    """A flaw that boxes may have: which ones do, what to say, and whether they stay in all the same.

    `edges` are those it was judged by: as written, or cut at the borders. The text may name their {width}, {height} and
    {area}.
    """

    kind: str
    edges: _Rows
    boxes: _Mask
    text: str
    kept: bool = False


def sound_boxes(image: str, size: tuple[int, int], rows: Sequence[BoxRow]) -> tuple[Boxes, list[Problem]]:
    """Return the boxes of a photo of `size` (width, height) that may be heads, cut at its borders, and every problem.

    Each box that is left out has exactly one error; boxes that are kept may have warnings.
    """
    if not rows:
        return no_boxes(), []
    edges = _pixels(rows, size)
    sound, problems = _kept(image, rows, _flaws(edges, size))
    kept = [row for row, is_sound in zip(rows, sound.tolist(), strict=True) if is_sound]
    boxes = clip(edges[sound].astype(np.float32), *size)
    repeated, doubles = _duplicates(image, boxes, kept)
    return boxes[~repeated], [*problems, *doubles]


def sound_regions(image: str, size: tuple[int, int], rows: Sequence[BoxRow]) -> tuple[Boxes, list[Problem]]:
    """Return the boxes of a photo that are to be ignored, cut at its borders, and every problem; they may be large."""
    if not rows:
        return no_boxes(), []
    edges = _pixels(rows, size)
    sound, problems = _kept(image, rows, _broken(edges, size))
    return clip(edges[sound].astype(np.float32), *size), problems


def _kept(image: str, rows: Sequence[BoxRow], flaws: Iterable[_Flaw]) -> tuple[_Mask, list[Problem]]:
    """Return which boxes have no flaw that leaves them out, and each flaw of those that had none worse."""
    sound = np.ones(len(rows), dtype=np.bool_)
    problems: list[Problem] = []
    for flaw in flaws:
        flawed = np.flatnonzero(flaw.boxes & sound).tolist()
        problems.extend(_problem(flaw, image, rows[index].place, flaw.edges[index]) for index in flawed)
        if not flaw.kept:
            sound &= ~flaw.boxes
    return sound, problems


def _pixels(rows: Sequence[BoxRow], size: tuple[int, int]) -> _Rows:
    """Return the edges of all boxes in pixels, float64, shape (n, 4)."""
    edges = np.array([row.edges for row in rows], dtype=np.float64)
    relative = np.array([row.relative for row in rows], dtype=np.bool_)
    with np.errstate(over="ignore"):  # what becomes infinite here is reported as such
        edges[relative] *= np.array([*size, *size], dtype=np.float64)
    return edges


def _flaws(edges: _Rows, size: tuple[int, int]) -> Iterator[_Flaw]:
    """Yield every flaw in the order in which a box is blamed for it: first what is no box, then what is no head."""
    yield from _broken(edges, size)
    plain, inside = _finite(edges, size)
    yield from _sizes(inside, size)
    over = (np.abs(inside - plain) > ROUNDING).any(axis=1)
    shown = f"the photo of {size[0]} x {size[1]}"
    yield _Flaw(
        "partly outside", edges, over, f"the box reaches over the border of {shown}; it is cut there", kept=True
    )


def _finite(edges: _Rows, size: tuple[int, int]) -> tuple[_Rows, _Rows]:
    """Return the edges with 0 for those of boxes that are not finite, as they are and cut at the borders."""
    plain = np.where(np.isfinite(edges).all(axis=1)[:, None], edges, 0.0)
    return plain, np.clip(plain, 0.0, np.array([*size, *size], dtype=np.float64))


def _broken(edges: _Rows, size: tuple[int, int]) -> Iterator[_Flaw]:
    """Yield the flaws of what is no box on the photo."""
    plain, inside = _finite(edges, size)
    width, height = plain[:, 2] - plain[:, 0], plain[:, 3] - plain[:, 1]
    as_float32 = inside.astype(np.float32)  # where a side of a ten-thousandth of a pixel may vanish

    yield _Flaw("nan", edges, np.isnan(edges).any(axis=1), "an edge is not a number")
    yield _Flaw("infinite", edges, np.isinf(edges).any(axis=1), "an edge is infinite")
    yield _Flaw("negative", edges, (width < 0) | (height < 0), "width x height is {width:g} x {height:g}, expected > 0")
    yield _Flaw(
        "no area", edges, (width == 0) | (height == 0), "width x height is {width:g} x {height:g}, expected > 0"
    )
    yield _Flaw("outside", edges, ~is_valid(as_float32), f"the box is outside the photo of {size[0]} x {size[1]}")


def _sizes(inside: _Rows, size: tuple[int, int]) -> Iterator[_Flaw]:
    """Yield the flaws of size; `inside` are the edges cut at the borders."""
    width, height = inside[:, 2] - inside[:, 0], inside[:, 3] - inside[:, 1]
    scale = size[0] * size[1] / REFERENCE_AREA
    areas, shorter, longer = width * height, np.minimum(width, height), np.maximum(width, height)
    tiny = TINY_AREA * min(1.0, scale)
    impossible, suspicious = (limit * max(scale, LEAST_SCALE) for limit in (IMPOSSIBLE_AREA, SUSPICIOUS_AREA))
    huge = "the area is {area:.0f} square pixels, more than "

    yield _Flaw(
        "line", inside, shorter < LEAST_SIDE, f"a side is under {LEAST_SIDE:g} pixels ({{width:g}} x {{height:g}})"
    )
    yield _Flaw("tiny", inside, areas < tiny, f"the area is {{area:.0f}} square pixels, less than {tiny:.0f}: no head")
    yield _Flaw("huge", inside, areas > impossible, f"{huge}{impossible:.0f}: not one head")
    yield _Flaw("large", inside, areas > suspicious, f"{huge}{suspicious:.0f}, rarely one head", kept=True)
    sliver = f"one side is over {SLIVER_RATIO:g} times the other ({{width:g}} x {{height:g}}), rarely a head"
    yield _Flaw("sliver", inside, longer > SLIVER_RATIO * shorter, sliver, kept=True)


def _problem(flaw: _Flaw, image: str, place: Place, edges: Float[np.ndarray, " 4"]) -> Problem:
    left, top, right, bottom = edges.tolist()
    text = flaw.text.format(width=right - left, height=bottom - top, area=(right - left) * (bottom - top))
    if flaw.kept:
        return warning(flaw.kind, place, image, text, _KEPT)
    return error(flaw.kind, place, image, text, _LEFT_OUT)


def _duplicates(image: str, boxes: Boxes, rows: Sequence[BoxRow]) -> tuple[_Mask, list[Problem]]:
    """Return which boxes repeat an earlier one exactly; report these, and boxes that nearly do."""
    overlaps = np.triu(iou(boxes, boxes), k=1)  # [earlier, later]
    same = np.triu((boxes[:, None] == boxes[None]).all(axis=2), k=1)
    repeated = same.any(axis=0)
    problems = []
    for later in np.flatnonzero(repeated).tolist():
        text = f"the box is the same as in {rows[int(same[:, later].argmax())].place}"
        problems.append(error("duplicate", rows[later].place, image, text, "delete it; it is left out"))
    nearly = (overlaps > DOUBLE_IOU) & ~repeated & ~repeated[:, None]
    for earlier, later in np.argwhere(nearly).tolist():
        text = f"the box nearly equals the one in {rows[earlier].place}: one head, labelled twice?"
        problems.append(warning("double", rows[later].place, image, text, _KEPT))
    return repeated, problems
