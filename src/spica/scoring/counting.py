"""How far counts of heads are off: errors over images, in all and for each source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Integer

from spica.labels.labelled import LabelledImage
from spica.scoring.predictions import Found, aligned


@dataclass(frozen=True, slots=True)
class CountErrors:
    """Errors of the counts on some images, in heads an image unless said otherwise.

    `heads` and `found` are totals. `bias` is the mean of found minus true: below 0 where heads are missed. The relative
    errors are fractions of the mean true count, NaN where there is no head. `r2` is the share of the variance of the
    true counts that the found ones explain, 1 - (squared errors / squared deviations from the mean): below 0 where
    guessing the mean would be better, NaN where all true counts are equal.
    """

    images: int
    heads: int
    found: int
    mae: float
    rmse: float
    relative_rmse: float
    bias: float
    relative_bias: float
    r2: float


def count_errors(found: Integer[np.ndarray, " n"], true: Integer[np.ndarray, " n"]) -> CountErrors:
    """Return the errors of found counts against true counts, image by image.

    >>> errors = count_errors(np.array([8, 12, 10]), np.array([10, 10, 13]))
    >>> errors.mae, errors.bias, round(errors.rmse, 3), round(errors.relative_rmse, 3)
    (2.3333333333333335, -1.0, 2.38, 0.216)

    Raises:
        ValueError: if there are no images.
    """
    if len(true) == 0:
        raise ValueError("there are no images to count on, expected at least one")
    difference = found.astype(np.float64) - true
    mean = float(true.mean())
    rmse, bias = float(np.sqrt((difference**2).mean())), float(difference.mean())
    spread = float(((true - mean) ** 2).sum())
    return CountErrors(
        images=len(true),
        heads=int(true.sum()),
        found=int(found.sum()),
        mae=float(np.abs(difference).mean()),
        rmse=rmse,
        relative_rmse=_fraction(rmse, mean),
        bias=bias,
        relative_bias=_fraction(bias, mean),
        r2=1 - _fraction(float((difference**2).sum()), spread),
    )


def counting_errors(found: Found, labels: Sequence[LabelledImage], threshold: float) -> CountErrors:
    """Return the errors of counting the detections with a score of at least `threshold`."""
    return count_errors(found_counts(found, labels, threshold), head_counts(labels))


def counting_errors_by_source(
    found: Found, labels: Sequence[LabelledImage], threshold: float
) -> dict[str, CountErrors]:
    """Return the errors of counts for the images of each source, sources in alphabetical order."""
    counts, heads = found_counts(found, labels, threshold), head_counts(labels)
    sources = np.array([image.source for image in labels], dtype=object)
    return {
        str(source): count_errors(counts[sources == source], heads[sources == source])
        for source in sorted(set(sources.tolist()))
    }


def found_counts(found: Found, labels: Sequence[LabelledImage], threshold: float) -> Int[np.ndarray, " images"]:
    """Return the number of detections with a score of at least `threshold` on each image."""
    counts = [int((detections.scores >= np.float32(threshold)).sum()) for detections in aligned(found, labels)]
    return np.array(counts, dtype=np.int64)


def head_counts(labels: Sequence[LabelledImage]) -> Int[np.ndarray, " images"]:
    """Return the number of labelled heads on each image."""
    return np.array([image.heads for image in labels], dtype=np.int64)


def _fraction(part: float, whole: float) -> float:
    return part / whole if whole > 0 else np.nan
