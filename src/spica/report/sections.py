"""The sections of the page, each with a sentence on what its numbers mean."""

import math
from dataclasses import dataclass

import numpy as np

from spica.report.figures import count_figure, reliability_figure, threshold_figure
from spica.report.findings import Findings
from spica.report.markup import Markup, element
from spica.report.tables import (
    Column,
    box_table,
    count_table,
    density_names,
    limits,
    percent,
    photo_table,
    score,
    score_table,
    sharpness_names,
    signed_percent,
    table,
)


def section(name: str, title: str, *content: str) -> Markup:
    """Return a section with a heading; `name` is its anchor."""
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


def headline(said: Findings, subject: str) -> Markup:
    """Return the top of the page: what was evaluated, its score with its interval, and the numbers asked for first.

    Remarks stand right under the score: who is handed the page has not seen what the command said.
    """
    evaluation, row = said.evaluation, said.evaluation.overall
    what = f"{subject}: {row.images:,} photo{'' if row.images == 1 else 's'} with {row.heads:,} heads"
    tiles = [
        (percent(row.recall), "of the heads are found (recall)"),
        (percent(row.precision), "of the boxes are heads (precision)"),
        (signed_percent(row.relative_bias), "heads found against heads labelled (bias of counts)"),
        (percent(row.relative_rmse), "typical error of a photo's count (relative RMSE)"),
    ]
    interval = limits(evaluation.interval)
    return element(
        "header",
        element("h1", "How well wheat heads were found"),
        element("p", what, class_="subject"),
        element(
            "div",
            element("p", element("strong", score(row.score)), f" score, rule {evaluation.rule}", class_="score"),
            element("p", f"95 % interval {interval} · boxes {evaluation.scored}"),
            class_="headline",
        ),
        *(element("p", f"Note: {remark}.", class_="remark") for remark in evaluation.remarks),
        element("dl", *(element("div", element("dt", name), element("dd", value)) for value, name in tiles)),
    )


def scores(said: Findings) -> Markup:
    """Return the section of scores by source."""
    text = (
        f"The score, by rule {said.evaluation.rule}, is hits / (hits + false boxes + missed heads): 1 is perfect. "
        "Precision is the share of the boxes that hit a head, recall the share of the heads that are hit, both at an "
        "overlap (IoU) above 0.5. The interval says how far the score would vary with other photos of the same fields; "
        "for other fields, look at how much the sources differ."
    )
    return section("scores", "Scores by source", element("p", text), score_table(said))


def counts(said: Findings) -> Markup:
    """Return the section of counts against truth."""
    row = said.evaluation.overall
    text = (
        f"{row.found:,} heads were found where {row.heads:,} are labelled, a bias of "
        f"{signed_percent(row.relative_bias)}. The relative RMSE says how far the count of a single photo is typically "
        f"off: {percent(row.relative_rmse)} of the mean count. Each dot is a photo; on the line, its count is right. "
        "In the table, bias, MAE and RMSE are in heads a photo."
    )
    beside = element("div", element("p", text), count_figure(said), class_="beside")
    return section("counts", "Counts against truth", beside, count_table(said))


@dataclass(frozen=True, slots=True)
class _AtThreshold:
    threshold: float
    score: float
    precision: float
    recall: float


def thresholds(said: Findings) -> Markup:
    """Return the section of scores against the threshold."""
    curves, evaluation = said.thresholds, said.evaluation
    text = f"The score takes boxes {evaluation.scored}: it is {score(evaluation.overall.score)}. "
    if not math.isnan(said.best):
        best = float(curves.score[np.abs(curves.thresholds - said.best).argmin()])
        text += f"On these photos it would be highest at {said.best:g}: {score(best)}. "
    text += "Choose a threshold on other photos than those you report on."
    arrays = (curves.thresholds, curves.score, curves.precision, curves.recall)
    rows = [_AtThreshold(*values) for values in zip(*(one.tolist() for one in arrays), strict=True)]
    shown = rows[9::10]  # 0.1, 0.2 ... 0.9
    columns: list[Column[_AtThreshold]] = [
        Column("score", lambda row: score(row.score)),
        Column("precision", lambda row: percent(row.precision)),
        Column("recall", lambda row: percent(row.recall)),
    ]
    names = [f"{row.threshold:.1f}" for row in shown]
    numbers = table("Score, precision and recall by threshold", ("threshold", names), columns, shown)
    beside = element("div", element("div", element("p", text), numbers), threshold_figure(said), class_="beside")
    return section("thresholds", "Which threshold", beside)


@dataclass(frozen=True, slots=True)
class _OfScore:
    boxes: int
    score: float
    hits: float


def reliability(said: Findings) -> Markup:
    """Return the section on whether a score can be read as a chance."""
    bins = said.reliability
    text = (
        "If scores were chances, of the boxes with a score of 0.8 four in five would hit a head, and the curve would "
        "lie on the dashed line; below it, the detector is too sure. The mean distance between score and share, over "
        f"all boxes (expected calibration error), is {score(bins.error)}."
    )
    rows = [_OfScore(*one) for one in zip(bins.boxes.tolist(), bins.scores.tolist(), bins.hits.tolist(), strict=True)]
    columns: list[Column[_OfScore]] = [
        Column("boxes", lambda row: f"{row.boxes:,}"),
        Column("mean score", lambda row: score(row.score)),
        Column("hit a head", lambda row: percent(row.hits)),
    ]
    names = [f"{place / len(rows):.1f} to {(place + 1) / len(rows):.1f}" for place in range(len(rows))]
    numbers = table("Boxes that hit a head, by score", ("score", names), columns, rows)
    beside = element("div", element("div", element("p", text), numbers), reliability_figure(said), class_="beside")
    return section("reliability", "Can a score be read as a chance?", beside)


def errors(said: Findings) -> Markup:
    """Return the section on where the errors are."""
    bins = said.breakdown
    text = (
        "Size is the square root of a box's area, in pixels of the photo. Sizes are in five bins with about as many "
        "heads in each, photos in four with about as many photos: how many there are says how far to trust a row. "
        "Sharpness is the finest detail of a photo as a part of its contrast over four pixels, seen with 640 pixels on "
        "its longer side: the lower, the more blurred; below 0.14 spica predict flags it. Sources differ in all of "
        "these, so that one property may stand for another."
    )
    blocks = [
        box_table("Missed heads, by size of the head", "heads", "missed", bins.missed),
        box_table("False boxes, by size of the box", "boxes", "false", bins.false),
        photo_table("Counts, by heads on the photo", "heads labelled", density_names(bins.density), bins.density),
        photo_table("Counts, by sharpness of the photo", "sharpness", sharpness_names(bins.sharpness), bins.sharpness)
        if bins.sharpness
        else element("p", "No photo could be read, so that nothing can be said about blur."),
    ]
    unread = f"{said.unread:,} of {len(said.ids):,} photos could not be read; they have no sharpness and no picture."
    note = (element("p", unread, class_="note"),) if said.unread else ()
    return section(
        "errors", "Where the errors are", element("p", text), *note, element("div", *blocks, class_="blocks")
    )
