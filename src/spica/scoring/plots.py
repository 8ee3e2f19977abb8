"""An evaluation as pictures: scores against the threshold, counts against truth, sources side by side."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spica.errors import MissingExtraError
from spica.images import write_atomically
from spica.labels.labelled import LabelledImage
from spica.scoring.counting import found_counts, head_counts
from spica.scoring.curves import precision_recall, reliability, score_curve
from spica.scoring.evaluation import Evaluation
from spica.scoring.predictions import Found
from spica.scoring.rules import KAGGLE, Rule

PLOTS = ("thresholds.png", "reliability.png", "counts.png", "sources.png")

_DOTS_PER_INCH = 120


def write_plots(
    folder: Path, found: Found, labels: Sequence[LabelledImage], evaluation: Evaluation, rule: Rule = KAGGLE
) -> list[Path]:
    """Write the pictures named in `PLOTS`; return their paths.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    plots = (
        threshold_plot(found, labels, evaluation.threshold, rule),
        reliability_plot(found, labels),
        count_plot(found, labels, evaluation.threshold),
        source_plot(evaluation),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(PLOTS, plots, strict=True):
        write_atomically(folder / name, content)
    return [folder / name for name in PLOTS]


def threshold_plot(found: Found, labels: Sequence[LabelledImage], threshold: float, rule: Rule = KAGGLE) -> bytes:
    """Return a PNG: competition score, precision, recall and F1 against the score threshold.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    figure, axes = _figure(7.0, 4.5)
    curve, boxes = score_curve(found, labels, rule), precision_recall(found, labels)
    axes.plot(curve.thresholds, curve.scores, linewidth=2.5, label=f"score ({rule.name})")
    for name, values in (("precision", boxes.precision), ("recall", boxes.recall), ("F1", boxes.f1)):
        axes.plot(boxes.thresholds, values, linewidth=1, label=f"{name}, IoU > 0.5")
    axes.axvline(threshold, color="grey", linestyle="--", label=f"threshold {threshold:g}")
    axes.set(xlabel="score threshold", ylabel="score", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower left")
    return _png(figure)


def reliability_plot(found: Found, labels: Sequence[LabelledImage]) -> bytes:
    """Return a PNG: the part of the boxes that hit a head against their score, with the number of boxes behind it.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    figure, axes = _figure(5.5, 5.5)
    bins = reliability(found, labels)
    width = 1 / len(bins.boxes)
    shares = bins.boxes / max(1, int(bins.boxes.max(initial=0)))
    axes.bar((np.arange(len(shares)) + 0.5) * width, shares, 0.9 * width, color="lightgrey", label="boxes (relative)")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot(bins.scores, bins.hits, marker="o", label=f"hits; calibration error {bins.error:.3f}")
    axes.set(xlabel="score", ylabel="part that hits a head, IoU > 0.5", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="upper left", fontsize="small")
    return _png(figure)


def count_plot(found: Found, labels: Sequence[LabelledImage], threshold: float) -> bytes:
    """Return a PNG: heads found against heads labelled, a dot for each image, a colour for each source.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    figure, axes = _figure(5.5, 5.5)
    counts, heads = found_counts(found, labels, threshold), head_counts(labels)
    sources = np.array([image.source for image in labels], dtype=object)
    most = max(int(counts.max(initial=0)), int(heads.max(initial=0)), 1)
    axes.plot([0, most], [0, most], color="grey", linewidth=1)
    for source in sorted(set(sources.tolist())):
        axes.scatter(heads[sources == source], counts[sources == source], s=10, alpha=0.7, label=source)
    axes.set(xlabel="heads labelled", ylabel=f"heads found, from score {threshold:g} on", aspect="equal")
    axes.legend(loc="upper left", fontsize="small")
    return _png(figure)


def source_plot(evaluation: Evaluation) -> bytes:
    """Return a PNG: the score of each source as bars, the score over all images as a line with its 95 % interval.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    figure, axes = _figure(7.0, 0.35 * len(evaluation.sources) + 1.5)
    names = [f"{row.name} ({row.images})" for row in evaluation.sources]
    axes.barh(names, [row.score for row in evaluation.sources])
    axes.axvline(evaluation.overall.score, color="black", label=f"all: {evaluation.overall.score:.3f}")
    axes.axvspan(*evaluation.interval, color="black", alpha=0.15)
    axes.invert_yaxis()
    axes.set(xlabel=f"score ({evaluation.rule})", xlim=(0, 1))
    axes.legend(loc="lower right")
    return _png(figure)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of that size in inches, drawn by Agg whatever the user's settings, and its axes.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "plots need matplotlib, which is not installed; pip install 'spica-wheat[evaluate]'"
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return content.getvalue()
