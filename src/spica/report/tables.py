"""Tables of the page, and how numbers are written in them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from spica.report.findings import Findings
from spica.report.markup import Markup, element, joined
from spica.scoring.breakdown import BoxBin, PhotoBin
from spica.scoring.evaluation import Row

_NONE = "-"  # a number that does not exist
_PERCENT = "\N{NO-BREAK SPACE}%"
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Column(Generic[_Entry]):
    """A column of numbers: its header, and what it says of an entry."""

    header: str
    text: Callable[[_Entry], str]


def table(
    caption: str,
    names: tuple[str, Sequence[str]],
    columns: Sequence[Column[_Entry]],
    entries: Sequence[_Entry],
    *,
    sums: int = 0,
) -> Markup:
    """Return a table with a row for each entry, named by the first column; `names` is that column's header and cells.

    The last `sums` rows are set off, as its foot. It scrolls sideways where the page is too narrow.
    """
    header, cells = names
    head = element(
        "tr", element("th", header, scope="col"), *(element("th", one.header, scope="col") for one in columns)
    )
    rows = [
        element("tr", element("th", name, scope="row"), *(element("td", column.text(entry)) for column in columns))
        for name, entry in zip(cells, entries, strict=True)
    ]
    body, foot = rows[: len(rows) - sums], rows[len(rows) - sums :]
    content = [element("caption", caption), element("thead", head), element("tbody", *body)]
    content += [element("tfoot", *foot)] if foot else []
    return element("div", element("table", *content), class_="wide", tabindex="0", role="region", aria_label=caption)


def score(value: float | None) -> str:
    """Return a score with three digits."""
    return _NONE if value is None or math.isnan(value) else f"{value:.3f}"


def percent(value: float) -> str:
    """Return a share in percent."""
    return _NONE if math.isnan(value) else f"{100 * value:.1f}{_PERCENT}"


def signed_percent(value: float) -> str:
    """Return a difference in percent, with its sign."""
    return _NONE if math.isnan(value) else f"{100 * value:+.1f}{_PERCENT}"


def limits(interval: tuple[float, float]) -> str:
    """Return an interval in words."""
    return _NONE if math.isnan(interval[0]) else f"{interval[0]:.3f} to {interval[1]:.3f}"


def bar(share: float, text: str) -> Markup:
    """Return a text on a bar as long as the share of its cell, at most all of it."""
    width = 0.0 if math.isnan(share) else min(1.0, abs(share))
    filled = element("span", class_="fill", style=f"width:{100 * width:.1f}%")
    return element("span", filled, element("span", text), class_="bar")


def score_table(said: Findings) -> Markup:
    """Return the scores: a row for each source, then one for all photos."""
    intervals = {**said.intervals, said.evaluation.overall.name: said.evaluation.interval}
    columns: list[Column[Row]] = [
        Column("photos", lambda row: f"{row.images:,}"),
        Column("heads", lambda row: f"{row.heads:,}"),
        Column("score", lambda row: joined(element("strong", score(row.score)))),
        Column("95 % interval", lambda row: limits(intervals[row.name])),
        Column("0 to 1", lambda row: _whiskers(row.score, intervals[row.name])),
        Column("precision", lambda row: percent(row.precision)),
        Column("recall", lambda row: percent(row.recall)),
        Column("F1", lambda row: score(row.f1)),
    ]
    if said.evaluation.overall.ap is not None:
        columns += [Column("AP", lambda row: score(row.ap)), Column("AP50", lambda row: score(row.ap50))]
    return _by_source("Scores", said, columns)


def count_table(said: Findings) -> Markup:
    """Return the errors of counts: a row for each source, then one for all photos."""
    columns: list[Column[Row]] = [
        Column("photos", lambda row: f"{row.images:,}"),
        Column("heads", lambda row: f"{row.heads:,}"),
        Column("found", lambda row: f"{row.found:,}"),
        Column("bias", lambda row: f"{row.bias:+.1f}"),
        Column("relative bias", lambda row: signed_percent(row.relative_bias)),
        Column("MAE", lambda row: f"{row.mae:.1f}"),
        Column("RMSE", lambda row: f"{row.rmse:.1f}"),
        Column("relative RMSE", lambda row: percent(row.relative_rmse)),
        Column("R²", lambda row: score(row.r2)),
    ]
    return _by_source("Errors of counts", said, columns)


def box_table(caption: str, boxes: str, wrong: str, bins: Sequence[BoxBin]) -> Markup:
    """Return the wrong boxes by size."""
    columns: list[Column[BoxBin]] = [
        Column(boxes, lambda one: f"{one.boxes:,}"),
        Column(wrong, lambda one: f"{one.wrong:,}"),
        Column("share", lambda one: bar(one.share, percent(one.share))),
    ]
    return table(caption, ("size, pixels", [_range(one.low, one.high) for one in bins]), columns, bins)


def photo_table(caption: str, what: str, names: Sequence[str], bins: Sequence[PhotoBin]) -> Markup:
    """Return scores and errors of counts by a property of photos."""
    columns: list[Column[PhotoBin]] = [
        Column("photos", lambda one: f"{one.counts.images:,}"),
        Column("score", lambda one: score(one.score)),
        Column("relative bias", lambda one: signed_percent(one.counts.relative_bias)),
        Column("relative RMSE", lambda one: bar(one.counts.relative_rmse, percent(one.counts.relative_rmse))),
    ]
    return table(caption, (what, names), columns, bins)


def density_names(bins: Sequence[PhotoBin]) -> list[str]:
    """Return the bins of whole numbers in words, from the first to the last number in each."""
    return [_range(one.low, one.high, last=1) for one in bins]


def sharpness_names(bins: Sequence[PhotoBin]) -> list[str]:
    """Return the bins in words."""
    return [_range(one.low, one.high, digits=2) for one in bins]


def _range(low: float, high: float, *, digits: int = 0, last: int = 0) -> str:
    if math.isinf(low) and math.isinf(high):
        return "all"
    if math.isinf(low):
        return f"below {high:.{digits}f}"
    if math.isinf(high):
        return f"from {low:.{digits}f}"
    return f"{low:.{digits}f} to {high - last:.{digits}f}" if high - last > low else f"{low:.{digits}f}"


def _by_source(caption: str, said: Findings, columns: Sequence[Column[Row]]) -> Markup:
    evaluation = said.evaluation
    rows = (*evaluation.sources, evaluation.overall)
    names = [*(row.name for row in evaluation.sources), "all photos"]
    return table(caption, ("source", names), columns, rows, sums=1)


def _whiskers(value: float, interval: tuple[float, float]) -> Markup:
    """Return a stroke at the score across a line from 0 to 1, and the interval as a thicker line."""
    if math.isnan(value):
        return joined(_NONE)
    low, high = (value, value) if math.isnan(interval[0]) else interval
    return element(
        "svg",
        element("path", d="M2 8H142", class_="scale"),
        element("path", d=f"M{2 + 140 * low:.1f} 8H{2 + 140 * high:.1f}", class_="interval"),
        element("path", d=f"M{2 + 140 * value:.1f} 2V14", class_="score"),
        viewBox="0 0 144 16",
        class_="whiskers",
        aria_hidden="true",
    )
