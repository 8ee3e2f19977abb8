"""One raster through a detector into a folder of results, window by window."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np

from spica.boxes import no_boxes
from spica.detections import Detect, Detections
from spica.errors import ImageError
from spica.images import ASPECT_SIDE, resized
from spica.prediction.flags import CAP, flags
from spica.prediction.folder import Order, Summary, open_journal, stamp_of, write_manifest
from spica.prediction.journal import Journal, Outcome
from spica.prediction.looking import HEAD_SIDE, Looks, overlap_of
from spica.prediction.overlap import in_order
from spica.prediction.results import write_tables
from spica.prediction.tiles import Tile, tiles_of
from spica.rasters.joining import joined_in_rows
from spica.rasters.layers import write_heads
from spica.rasters.raster import Raster, Window, opened

LARGEST_GSD = 5.0  # mm: a head of 25 mm is then five pixels wide, of which nothing can be told
_NOTHING = "no pixels"  # in the journal: a window in which there is nothing to look at
_DIGITS = 6  # of a ground sampling distance in mm


def predict_raster(
    detect: Detect, order: Order, *, told: Callable[[int, int], None] = lambda _done, _all: None
) -> Summary:
    """Write the result folder of the one raster in `order.paths`; `told` gets how many windows are done, of how many.

    The folder holds what that of one photo does (`spica.prediction.folder`), without pictures; boxes are in pixels of
    the raster. If it has coordinates, `heads.gpkg` and `heads.geojson` hold the boxes as polygons. Windows without a
    pixel are not looked at, and a box whose centre has no pixel is none. The raster has a flag if more than half of
    its windows have it; `cap` if one has it.

    What was interrupted goes on with the next window, and ends with the same tables; with the first one if the file
    was replaced since.

    Raises:
        ImageError: if the raster cannot be read, or its scale is not known or too coarse.
        OutputError: if the folder holds other results or cannot be written.
        WeightsError: if the looks do not fit the detector.
        MissingExtraError: if the packages of the extra `geo` are not installed.
    """
    (path,) = order.paths
    clock = time.perf_counter()
    with opened(path) as raster:
        side = side_of(raster, order)
        order = described(raster, order, side)
        tiles = tuple(tiles_of(*raster.frame, side, overlap_of(side)))
        journal = open_journal(order)
        try:
            stamp = stamp_of(path)
            done = _done_before(journal, stamp)
            with closing(_looked(detect, raster, tiles[done:], order)) as outcomes:
                for number, outcome in enumerate(outcomes, start=done + 1):
                    journal.add(replace(outcome, stamp=stamp))
                    told(number, len(tiles))
            outcome = _whole(raster, tiles, journal, order)
        finally:
            journal.close()
        write_tables(order.out, [outcome])
        if raster.coordinates is not None and outcome.found is not None:
            write_heads(order.out, outcome.found, raster.coordinates)
    heads, flagged = len(outcome.found or ()), dict.fromkeys(sorted(outcome.flags), 1)
    summary = Summary(1, int(done < len(tiles)), 1, 0, heads, flagged, round(time.perf_counter() - clock, 3))
    write_manifest(order, summary)
    journal.remove()
    return summary


def side_of(raster: Raster, order: Order) -> int:
    """Return the side of the windows in pixels of the frame: from the order, else from the raster's own scale.

    Raises:
        ImageError: if the scale is not known, or so coarse that heads cannot be seen.
        WeightsError: if the card does not say which sizes of heads the model knows.
    """
    looks = _looks(raster, order)
    if not looks.tile and not looks.gsd:
        raise ImageError(
            f"{raster.path}: has no coordinate system on the earth, so its scale is not known; "
            "give --gsd MM or --tile SIDE, or export it with its coordinates"
        )
    if looks.gsd > LARGEST_GSD:
        raise ImageError(
            f"{raster.path}: a pixel measures {looks.gsd:.3g} mm, expected at most {LARGEST_GSD:g} mm: a head of "
            f"{HEAD_SIDE:g} mm cannot be seen; take photos from nearer, or give --tile SIDE if that is wrong"
        )
    return min(looks.side(order.known), max(raster.frame))


def described(raster: Raster, order: Order, side: int) -> Order:
    """Return the order with what the results of this raster depend on as well."""
    size = f"{raster.width} x {raster.height}"
    facts = {**order.facts, "raster": size, "place": raster.place, "window": side}
    return replace(order, looks=_looks(raster, order), facts=facts, pictures=False, submission=None)


def _looks(raster: Raster, order: Order) -> Looks:
    """Return how to look at the raster: by its own scale where the order says nothing."""
    gsd = raster.gsd
    if order.looks.tile or order.looks.gsd or gsd is None:
        return order.looks
    return Looks(gsd=round(gsd, _DIGITS))


def _done_before(journal: Journal, stamp: str) -> int:
    """Return how many windows are done; none of those of a file that was replaced since, which are forgotten."""
    stamps = [one.stamp for one in journal]
    if set(stamps) <= {stamp}:
        return len(stamps)
    journal.keep([])
    return 0


def _looked(detect: Detect, raster: Raster, tiles: tuple[Tile, ...], order: Order) -> Generator[Outcome, None, None]:
    """Yield the outcome of each window, with all boxes, in pixels of the window; reading and detecting overlap.

    When it is closed nobody reads any more, so that the file can be closed: GDAL crashes if it is while it is read.
    """
    with closing(in_order(raster.read, tiles, threads=1)) as read:
        yield from in_order(partial(_detected, detect, order), read, threads=order.workers)


def _detected(detect: Detect, order: Order, window: Window) -> Outcome:
    tile = window.tile
    name = f"{tile.left},{tile.top}"
    if window.empty:
        return Outcome(name, error=_NOTHING)
    found = _with_pixels(detect(window.pixels), window)
    longer, side = max(tile.width, tile.height), order.side or ASPECT_SIDE
    part = resized(window.pixels, min(longer, side))  # as the network looks at it; boxes stay in pixels of the window
    raised = flags(part, found.above(order.score), order.card, side / longer)
    return Outcome(name, tile.width, tile.height, found, raised)


def _with_pixels(found: Detections, window: Window) -> Detections:
    """Return the boxes whose centre has a pixel."""
    if window.valid is None:
        return found
    height, width = window.valid.shape
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    column, row = np.clip(centres.astype(np.int64), 0, [width - 1, height - 1]).T
    kept = window.valid[row, column]
    return Detections(found.boxes[kept], found.scores[kept], found.capped)


def _whole(raster: Raster, tiles: tuple[Tile, ...], journal: Journal, order: Order) -> Outcome:
    """Return the outcome of the whole raster, in pixels of the file, from those of its windows."""
    raised: Counter[str] = Counter()
    looked = 0

    def windows() -> Iterator[tuple[Tile, Detections]]:
        nonlocal looked
        for tile, one in zip(tiles, journal, strict=True):
            if one.found is not None:
                looked += 1
                raised.update(one.flags)
                yield tile, one.found

    rows = [one.above(order.score) for one in joined_in_rows(windows(), *raster.frame)]
    boxes = np.concatenate([no_boxes(), *(one.boxes for one in rows)])
    scores = np.concatenate([np.zeros(0, dtype=np.float32), *(one.scores for one in rows)])
    x, y = raster.width / raster.frame[0], raster.height / raster.frame[1]
    found = Detections(boxes, scores, bool(raised[CAP])).scaled(x, y)
    common = tuple(flag for flag in raised if flag == CAP or 2 * raised[flag] > looked)
    return Outcome(raster.path.name, raster.width, raster.height, found, common)
