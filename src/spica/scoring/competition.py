"""The competition score: hits / (hits + false + missed), mean over IoU thresholds, then over images."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from spica.boxes import Boxes
from spica.detections import Detections
from spica.labels.labelled import LabelledImage
from spica.scoring.matching import Matching, match
from spica.scoring.predictions import Found, aligned
from spica.scoring.rules import KAGGLE, Rule


def image_score(found: Detections, truth: Boxes, rule: Rule = KAGGLE) -> float:
    """Return the score of one image, in [0, 1].

    An image without heads scores 0 if anything was found, else `rule.empty`, or NaN where the rule leaves it out.

    >>> head = np.array([[0, 0, 10, 10]], dtype=np.float32)
    >>> found = Detections(np.array([[0, 0, 10, 6.3]], dtype=np.float32), np.array([0.9], dtype=np.float32))
    >>> image_score(found, head)  # IoU 0.63
    0.5

    Source: Global Wheat Detection, Kaggle 2020, page "Evaluation".
    """
    return float(scores_of_matching(match([found], [truth], rule), rule)[0])


def image_scores(
    found: Found, labels: Sequence[LabelledImage], rule: Rule = KAGGLE, *, threshold: float = 0.0
) -> Float[np.ndarray, " images"]:
    """Return the score of each image in the order of the labels, NaN where the rule leaves it out.

    Only detections with a score of at least `threshold` count.
    """
    matching = match(aligned(found, labels), [image.boxes for image in labels], rule).above(threshold)
    return scores_of_matching(matching, rule)


def competition_score(
    found: Found, labels: Sequence[LabelledImage], rule: Rule = KAGGLE, *, threshold: float = 0.0
) -> float:
    """Return the score of a set of images, in [0, 1]: the mean that the rule asks for.

    NaN if the rule leaves every image out.

    Raises:
        ValueError: if there are no images.
    """
    if not labels:
        raise ValueError("there are no labelled images, expected at least one")
    scores = image_scores(found, labels, rule, threshold=threshold)
    return mean_score(scores, [image.source for image in labels], rule)


def scores_by_source(
    found: Found, labels: Sequence[LabelledImage], rule: Rule = KAGGLE, *, threshold: float = 0.0
) -> dict[str, float]:
    """Return the mean score of the images of each source, sources in alphabetical order."""
    scores = image_scores(found, labels, rule, threshold=threshold)
    return _means(scores, [image.source for image in labels])


def scores_of_matching(matching: Matching, rule: Rule) -> Float[np.ndarray, " images"]:
    """Return the score of each image of a matching."""
    return scores_of_counts(matching.true_positives, matching.found, matching.heads, rule)


def scores_of_counts(
    true_positives: Int[np.ndarray, "*images t"],
    found: Int[np.ndarray, "*#images"],
    heads: Int[np.ndarray, "*#images"],
    rule: Rule,
) -> Float[np.ndarray, "*images"]:
    """Return the score of each image from its number of hits at each threshold, of predictions and of heads."""
    # hits + false + missed = hits + (found - hits) + (heads - hits)
    all_boxes = (found + heads)[..., None] - true_positives
    empty = np.nan if rule.empty is None else rule.empty
    ratios = np.divide(true_positives, all_boxes, out=np.full(all_boxes.shape, empty), where=all_boxes > 0)
    return np.asarray(ratios.mean(axis=-1))


def mean_score(scores: Float[np.ndarray, " images"], sources: Sequence[str], rule: Rule) -> float:
    """Return the mean over images or over the means of sources, as the rule says; left-out images (NaN) are skipped."""
    values = scores if rule.mean == "images" else np.array(list(_means(scores, sources).values()))
    return _mean(values)


def _means(scores: Float[np.ndarray, " images"], sources: Sequence[str]) -> dict[str, float]:
    names = np.array(sources, dtype=object)
    return {name: _mean(scores[names == name]) for name in sorted(set(sources))}


def _mean(values: Float[np.ndarray, " n"]) -> float:
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else np.nan
