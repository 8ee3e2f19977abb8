"""The three figures of the page, each a chart with its legend: counts, thresholds, reliability."""

from collections.abc import Sequence

import numpy as np

from spica.report.charts import (
    DASHES,
    PALETTE,
    SHAPES,
    bars,
    chart,
    count_axis,
    diagonal,
    dot,
    key,
    line,
    share_axis,
    upright,
)
from spica.report.findings import Findings
from spica.report.markup import Markup, element, joined

_BLUE, _ORANGE, _GREEN = PALETTE[:3]


def count_figure(said: Findings) -> Markup:
    """Return heads found against heads labelled: a dot for each photo, a colour and shape for each source."""
    most = max(int(said.heads.max()), int(said.found.max()))
    x, y = count_axis("heads labelled", most), count_axis("heads found", most)
    names = sorted(set(said.sources))
    # 35 pairs: the numbers of colours and of shapes have no common divisor.
    signs = {name: (PALETTE[n % len(PALETTE)], SHAPES[n % len(SHAPES)]) for n, name in enumerate(names)}
    photos = zip(said.ids, said.sources, said.heads.tolist(), said.found.tolist(), strict=True)
    dots = [
        dot(x, y, (heads, found), *signs[source], f"{name} ({source}): {heads} labelled, {found} found")
        for name, source, heads, found in photos
    ]
    drawn = chart(f"Heads found against heads labelled on {len(dots)} photos", x, y, [diagonal(x, y), *dots])
    return _figure(drawn, [(key(colour, shape=shape), name) for name, (colour, shape) in signs.items()])


def threshold_figure(said: Findings) -> Markup:
    """Return score, precision and recall against the score threshold, with the one in use."""
    x, y = share_axis("score threshold"), share_axis("score, precision, recall")
    curves, used = said.thresholds, said.evaluation.threshold
    lines = [
        ("score", curves.score, _BLUE, DASHES[0]),
        ("precision", curves.precision, _ORANGE, DASHES[1]),
        ("recall", curves.recall, _GREEN, DASHES[2]),
    ]
    marks = [line(x, y, curves.thresholds, values, colour, dash) for _, values, colour, dash in lines]
    mark = upright(x, used, f"in use: {used:g}")
    drawn = chart("Score, precision and recall against the score threshold", x, y, [mark, *marks])
    return _figure(drawn, [(key(colour, dash), name) for name, _, colour, dash in lines])


def reliability_figure(said: Findings) -> Markup:
    """Return the share of boxes that hit a head against their score, on bars that say how many boxes there are."""
    x, y = share_axis("score of a box"), share_axis("share that hits a head")
    bins = said.reliability
    edges = np.linspace(0, 1, len(bins.boxes) + 1)
    heights = bins.boxes / max(1, int(bins.boxes.max(initial=0)))
    rows = zip(bins.scores.tolist(), bins.hits.tolist(), bins.boxes.tolist(), strict=True)
    dots = [
        dot(x, y, (at, hits), _BLUE, SHAPES[0], f"{boxes:,} boxes of score {at:.2f}: {100 * hits:.0f} % hit a head")
        for at, hits, boxes in rows
        if boxes
    ]
    there = bins.boxes > 0
    course = line(x, y, bins.scores[there], bins.hits[there], _BLUE)
    marks = [bars(x, y, edges, heights), diagonal(x, y), course, *dots]
    drawn = chart("Share of boxes that hit a head, against their score", x, y, marks)
    return _figure(
        drawn,
        [
            (key(_BLUE), "share that hits"),
            (key("#b5b5b5", shape=SHAPES[1]), "number of boxes, relative"),
            (key("#767676", "4 3"), "where both agree"),
        ],
    )


def _figure(drawn: Markup, legend: Sequence[tuple[Markup, str]]) -> Markup:
    """Return a chart with its legend below, where no name is too long."""
    entries = [element("li", sign, joined(" ", name)) for sign, name in legend]
    return element("figure", drawn, element("ul", *entries, class_="legend"))
