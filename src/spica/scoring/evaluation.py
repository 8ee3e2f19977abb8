"""One evaluation for every detector: scores, boxes and counts, in all and for each source."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spica.detections import Detections
from spica.labels.labelled import LabelledImage
from spica.scoring.average_precision import average_precision as coco_average_precision
from spica.scoring.average_precision import average_precision_by_source
from spica.scoring.competition import mean_score, scores_of_matching
from spica.scoring.counting import count_errors
from spica.scoring.intervals import score_interval
from spica.scoring.matching import match
from spica.scoring.predictions import Found, aligned
from spica.scoring.rules import ADA, KAGGLE, Rule

ALL = "all"  # name of the row over all images
_WORST = 20  # images listed


@dataclass(frozen=True, slots=True)
class Row:
    """What was found on some images; NaN where a number does not exist, None where it was not asked for.

    `score` is that of the rule, `accuracy` that of rule `ada`; precision, recall and F1 are over all boxes, hit by an
    IoU above 0.5. Average precision takes all detections, everything else those from the threshold on. Count errors are
    as in `CountErrors`.
    """

    name: str
    images: int
    heads: int
    found: int
    score: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    mae: float
    rmse: float
    relative_rmse: float
    bias: float
    relative_bias: float
    r2: float
    ap: float | None = None
    ap50: float | None = None
    ap75: float | None = None


@dataclass(frozen=True, slots=True)
class WorstImage:
    """An image with a low score: one to look at."""

    id: str
    source: str
    heads: int
    found: int
    score: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well heads were found and counted.

    `interval` holds the limits of the 95 % bootstrap interval of the score; `sources` are in alphabetical order;
    `worst` begins with the lowest score; `remarks` are sentences on what the detector was trained on, as far as that is
    known: on photos of its training the numbers flatter. Of the boxes from `threshold` on, the score takes those above
    `score_above` alone if the rule has that; all other numbers take them all.
    """

    rule: str
    threshold: float
    overall: Row
    sources: tuple[Row, ...]
    interval: tuple[float, float]
    worst: tuple[WorstImage, ...]
    remarks: tuple[str, ...] = ()
    score_above: float | None = None

    @property
    def scored(self) -> str:
        """Which boxes the score takes, in words: "from score 0.4 on"."""
        plain = f"from score {self.threshold:g} on"
        if self.score_above is None or self.threshold > self.score_above:
            return plain
        return f"above score {self.score_above:g} (all other numbers: {plain})"

    def to_json(self) -> str:
        """Return the evaluation as JSON, indented; a number that does not exist is null."""
        return json.dumps(_without_nan(asdict(self)), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True, eq=False)
class _Images:
    """What was counted on each image."""

    source: np.ndarray
    score: Float[np.ndarray, " images"]
    accuracy: Float[np.ndarray, " images"]
    hits: Int[np.ndarray, " images"]
    found: Int[np.ndarray, " images"]
    heads: Int[np.ndarray, " images"]


def evaluate(
    found: Found,
    labels: Sequence[LabelledImage],
    threshold: float,
    rule: Rule = KAGGLE,
    *,
    average_precision: bool = True,
    seed: int = 0,
) -> Evaluation:
    """Return the evaluation of detections on labelled images, at one score threshold.

    Give the detections down to a low score: average precision needs them. `seed` is that of the bootstrap.

    Raises:
        ValueError: if there are no images, or detections and labels are not of the same images.
        MissingExtraError: if average precision is asked for and faster-coco-eval is not installed.
    """
    if not labels:
        raise ValueError("there are no labelled images, expected at least one")
    detections = aligned(found, labels)
    images = _images(detections, labels, threshold, rule)
    sources = [image.source for image in labels]
    rows = _rows(images, rule)
    if average_precision:
        rows = _with_average_precision(rows, detections, labels)
    overall, *by_source = rows
    return Evaluation(
        rule=rule.name,
        threshold=threshold,
        overall=overall,
        sources=tuple(by_source),
        interval=score_interval(images.score, sources, rule, seed=seed),
        worst=_worst(images, labels),
        score_above=rule.score_above,
    )


def _images(detections: Sequence[Detections], labels: Sequence[LabelledImage], threshold: float, rule: Rule) -> _Images:
    boxes = [image.boxes for image in labels]
    by_rule = match(detections, boxes, rule).above(threshold)
    at_half = match(detections, boxes, ADA).above(threshold)
    return _Images(
        source=np.array([image.source for image in labels], dtype=object),
        score=scores_of_matching(by_rule, rule),
        accuracy=scores_of_matching(at_half, ADA),
        hits=at_half.true_positives[:, 0],
        found=at_half.found,
        heads=at_half.heads,
    )


def _rows(images: _Images, rule: Rule) -> list[Row]:
    names = sorted(set(images.source.tolist()))
    everything = np.ones(len(images.source), dtype=bool)
    return [_row(ALL, images, everything, rule), *(_row(name, images, images.source == name, rule) for name in names)]


def _row(name: str, images: _Images, chosen: Bool[np.ndarray, " images"], rule: Rule) -> Row:
    hits, found, heads = (int(column[chosen].sum()) for column in (images.hits, images.found, images.heads))
    counts = count_errors(images.found[chosen], images.heads[chosen])
    sources = images.source[chosen].tolist()
    return Row(
        name=name,
        images=counts.images,
        heads=heads,
        found=found,
        score=mean_score(images.score[chosen], sources, rule),
        accuracy=mean_score(images.accuracy[chosen], sources, ADA),
        precision=hits / found if found else np.nan,
        recall=hits / heads if heads else np.nan,
        f1=2 * hits / (found + heads) if found + heads else np.nan,
        mae=counts.mae,
        rmse=counts.rmse,
        relative_rmse=counts.relative_rmse,
        bias=counts.bias,
        relative_bias=counts.relative_bias,
        r2=counts.r2,
    )


def _with_average_precision(
    rows: Sequence[Row], detections: Sequence[Detections], labels: Sequence[LabelledImage]
) -> list[Row]:
    overall, *sources = rows
    by_source = average_precision_by_source(detections, labels)
    values = [coco_average_precision(detections, labels), *(by_source[row.name] for row in sources)]
    return [
        replace(row, ap=value.ap, ap50=value.ap50, ap75=value.ap75)
        for row, value in zip([overall, *sources], values, strict=True)
    ]


def _worst(images: _Images, labels: Sequence[LabelledImage]) -> tuple[WorstImage, ...]:
    """Return the images with the lowest scores; of equal ones first those with more wrong boxes."""
    wrong = images.found + images.heads - 2 * images.hits
    order = np.lexsort((-wrong, images.score))
    listed = [index for index in order.tolist() if images.score[index] < 1][:_WORST]
    return tuple(
        WorstImage(
            id=labels[index].id,
            source=labels[index].source,
            heads=int(images.heads[index]),
            found=int(images.found[index]),
            score=float(images.score[index]),
        )
        for index in listed
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
