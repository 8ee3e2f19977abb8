"""Where errors are: missed heads by size, false boxes by size, counts by density and by sharpness of the photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from spica.boxes import area
from spica.labels.labelled import LabelledImage
from spica.scoring.competition import image_scores, mean_score
from spica.scoring.counting import CountErrors, count_errors, found_counts, head_counts
from spica.scoring.pairing import paired_heads
from spica.scoring.predictions import Found, aligned
from spica.scoring.rules import KAGGLE, Rule

SIZE_BINS, PHOTO_BINS = 5, 4  # boxes are many, photos fewer


@dataclass(frozen=True, slots=True)
class BoxBin:
    """Boxes with a value from `low` to below `high` (infinite at the ends), and how many of them are wrong."""

    low: float
    high: float
    boxes: int
    wrong: int

    @property
    def share(self) -> float:
        """Part of the boxes that is wrong, in [0, 1]; NaN without boxes."""
        return self.wrong / self.boxes if self.boxes else float("nan")


@dataclass(frozen=True, slots=True)
class PhotoBin:
    """Photos with a value from `low` to below `high` (infinite at the ends); their mean score and counting errors."""

    low: float
    high: float
    score: float
    counts: CountErrors


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Errors in bins.

    Sizes are square roots of the area of a box, in pixels of the photo. `missed` has heads that no box hits, by the
    size of the head; `false` has boxes that hit no head, by their own size, in the same bins; a hit is an IoU above
    0.5. `density` bins photos by their labelled heads, `sharpness` by what `spica.images.aspect_of` says of them; the
    latter takes the photos whose sharpness is known, and is empty if there is none.
    """

    missed: tuple[BoxBin, ...]
    false: tuple[BoxBin, ...]
    density: tuple[PhotoBin, ...]
    sharpness: tuple[PhotoBin, ...]


def breakdown(
    found: Found,
    labels: Sequence[LabelledImage],
    threshold: float,
    sharpness: Float[np.ndarray, " images"],
    rule: Rule = KAGGLE,
) -> Breakdown:
    """Return the errors of the detections with a score of at least `threshold`, in bins of about equal numbers.

    `sharpness` is that of each photo, NaN where it is not known. The rule is that of the score.

    Raises:
        ValueError: if there are no images, or not one sharpness for each.
    """
    if not labels or sharpness.shape != (len(labels),):
        raise ValueError(f"there are {len(labels)} images and {sharpness.shape} sharpnesses, expected one for each")
    head_sizes, missed, found_sizes, false = _sizes(found, labels, threshold)
    cuts = quantile_cuts(head_sizes, SIZE_BINS, digits=0)
    heads, known = head_counts(labels), ~np.isnan(sharpness)
    photos = _Photos(
        image_scores(found, labels, rule, threshold=threshold),
        found_counts(found, labels, threshold),
        heads,
        [image.source for image in labels],
    )
    return Breakdown(
        missed=_box_bins(head_sizes, missed, cuts),
        false=_box_bins(found_sizes, false, cuts),
        density=_photo_bins(heads.astype(np.float64), quantile_cuts(heads, PHOTO_BINS, digits=0), photos, rule),
        sharpness=_photo_bins(sharpness, quantile_cuts(sharpness[known], PHOTO_BINS, digits=2), photos, rule),
    )


def quantile_cuts(values: Num[np.ndarray, " n"], parts: int, *, digits: int) -> tuple[float, ...]:
    """Return the limits between bins of about equal numbers, lowest first: at most `parts` - 1.

    They are rounded to `digits`, so that they can be written as they are. Where many values are equal there are fewer;
    none of the bins at the ends is empty.

    >>> quantile_cuts(np.array([1, 2, 3, 4, 5, 6, 7, 8]), 4, digits=0)
    (3.0, 5.0, 7.0)
    >>> quantile_cuts(np.array([5, 5, 5, 9]), 4, digits=0)
    (9.0,)
    """
    if not len(values):
        return ()
    ordered = np.sort(values.astype(np.float64))
    # The first value of each part but the lowest.
    cuts = np.unique(np.round(ordered[[len(ordered) * part // parts for part in range(1, parts)]], digits))
    inside: list[float] = cuts[(cuts > ordered[0]) & (cuts <= ordered[-1])].tolist()
    return tuple(inside)


@dataclass(frozen=True, slots=True, eq=False)
class _Photos:
    """What was counted on each photo."""

    scores: Float[np.ndarray, " images"]
    found: Int[np.ndarray, " images"]
    heads: Int[np.ndarray, " images"]
    sources: list[str]


def _sizes(
    found: Found, labels: Sequence[LabelledImage], threshold: float
) -> tuple[Float[np.ndarray, " heads"], Bool[np.ndarray, " heads"], Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return the sizes of all heads, which of them are missed, of all boxes found, and which are false."""
    head_sizes, missed, found_sizes, false = [], [], [], []
    for one, image in zip(aligned(found, labels), labels, strict=True):
        kept = one.above(threshold)
        hit_heads = paired_heads(kept, image.boxes)
        head_sizes.append(_size(image.boxes))
        missed.append(~np.isin(np.arange(image.heads), hit_heads))
        found_sizes.append(_size(kept.boxes))
        false.append(hit_heads < 0)
    return np.concatenate(head_sizes), np.concatenate(missed), np.concatenate(found_sizes), np.concatenate(false)


def _size(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    sizes: Float[np.ndarray, " n"] = np.sqrt(area(boxes.astype(np.float64)))
    return sizes


def _box_bins(
    sizes: Float[np.ndarray, " n"], wrong: Bool[np.ndarray, " n"], cuts: tuple[float, ...]
) -> tuple[BoxBin, ...]:
    places = np.digitize(sizes, cuts)
    boxes = np.bincount(places, minlength=len(cuts) + 1)
    wrongs = np.bincount(places[wrong], minlength=len(cuts) + 1)
    rows = zip(_limits(cuts), boxes.tolist(), wrongs.tolist(), strict=True)
    return tuple(BoxBin(low, high, box, bad) for (low, high), box, bad in rows)


def _photo_bins(
    values: Float[np.ndarray, " images"], cuts: tuple[float, ...], photos: _Photos, rule: Rule
) -> tuple[PhotoBin, ...]:
    """Return the bins in which there are photos; those whose value is NaN are in none."""
    bins = []
    for low, high in _limits(cuts):
        chosen = (values >= low) & (values < high)
        if chosen.any():
            sources = [source for source, here in zip(photos.sources, chosen, strict=True) if here]
            score = mean_score(photos.scores[chosen], sources, rule)
            bins.append(PhotoBin(low, high, score, count_errors(photos.found[chosen], photos.heads[chosen])))
    return tuple(bins)


def _limits(cuts: tuple[float, ...]) -> list[tuple[float, float]]:
    edges = (-np.inf, *cuts, np.inf)
    return list(pairwise(edges))
