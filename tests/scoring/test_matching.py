"""Matching, against plain loops written from the definition of each rule, and by hand."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spica.boxes import Boxes, no_boxes
from spica.detections import Detections, no_detections
from spica.scoring.matching import first_come_first_served, match
from spica.scoring.rules import ADA, KAGGLE, NUMBA_PLUS1, RSNA, RULES, WILDS, Rule

Box = list[float]
CASES = 1_500  # images for each rule and kind of numbers


def boxes_of(rows: list[list[float]]) -> Boxes:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def crowd(generator: np.random.Generator, *, whole: bool) -> tuple[Detections, Boxes]:
    """A few overlapping boxes on a small image; whole numbers give IoUs right on the thresholds, and equal scores."""
    heads, found = int(generator.integers(0, 6)), int(generator.integers(0, 9))
    corners = generator.uniform(0, 12, (heads, 2))
    truth = np.concatenate([corners, corners + generator.uniform(4, 20, (heads, 2))], axis=1)
    near = truth[generator.integers(0, heads, found)] if heads else generator.uniform(0, 20, (found, 4))
    moved = near + generator.normal(0, 2, (found, 4))
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    scores = generator.uniform(0, 1, found)
    if whole:
        truth, moved, scores = truth.round(), moved.round(), scores.round(1)
    return Detections(moved.astype(np.float32), scores.astype(np.float32)), truth.astype(np.float32)


@cache
def crowds(seed: int, count: int, *, whole: bool) -> tuple[list[Detections], list[Boxes]]:
    generator = np.random.default_rng(seed)
    cases = [crowd(generator, whole=whole) for _ in range(count)]
    return [found for found, _ in cases], [truth for _, truth in cases]


# The oracles: loops over boxes, one threshold at a time.


def plain_iou(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height)


def pixel_iou(a: Box, b: Box) -> float:
    a, b = [int(edge) for edge in a], [int(edge) for edge in b]
    return plain_iou([*a[:2], a[2] + 1, a[3] + 1], [*b[:2], b[2] + 1, b[3] + 1])


def hits_by_confidence(
    found: list[Box], truth: list[Box], good: Callable[[float], bool], iou: Callable[[Box, Box], float]
) -> int:
    free = set(range(len(truth)))
    hits = 0
    for box in found:
        best, best_head = -1.0, -1
        for head in sorted(free):
            overlap = iou(box, truth[head])
            if good(overlap) and overlap > best:
                best, best_head = overlap, head
        if best_head >= 0:
            free.remove(best_head)
            hits += 1
    return hits


def hits_by_truth(found: list[Box], truth: list[Box], good: Callable[[float], bool]) -> int:
    used: set[int] = set()
    for head in truth:
        for number, box in enumerate(found):
            if number not in used and good(plain_iou(box, head)):
                used.add(number)
                break
    return len(used)


def hits_by_best_head(found: list[Box], truth: list[Box], good: Callable[[float], bool]) -> int:
    heads: set[int] = set()
    for box in found:
        overlaps = [plain_iou(box, head) for head in truth]
        if overlaps and good(max(overlaps)):
            heads.add(overlaps.index(max(overlaps)))
    return len(heads)


def kaggle(found: list[Box], truth: list[Box], t: float) -> int:
    return hits_by_confidence(found, truth, lambda overlap: overlap > t, plain_iou)


def numba_plus1(found: list[Box], truth: list[Box], t: float) -> int:
    return hits_by_confidence(found, truth, lambda overlap: overlap >= t, pixel_iou)


def rsna(found: list[Box], truth: list[Box], t: float) -> int:
    return hits_by_truth(found, truth, lambda overlap: overlap >= t)


def wilds(found: list[Box], truth: list[Box], t: float) -> int:
    return hits_by_best_head(found, truth, lambda overlap: overlap >= t)


ORACLES = [(KAGGLE, kaggle), (NUMBA_PLUS1, numba_plus1), (RSNA, rsna), (WILDS, wilds), (ADA, kaggle)]


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "fractions"])
@pytest.mark.parametrize(("rule", "oracle"), ORACLES, ids=[rule.name for rule, _ in ORACLES])
def test_hits_equal_those_of_plain_loops(
    rule: Rule, oracle: Callable[[list[Box], list[Box], float], int], whole: bool
) -> None:
    found, truth = crowds(7, CASES, whole=whole)
    hits = match(found, truth, rule).true_positives
    cut = -1.0 if rule.score_above is None else rule.score_above
    for number, (detections, heads) in enumerate(zip(found, truth, strict=True)):
        boxes = [box for box, score in zip(detections.boxes.tolist(), detections.scores, strict=True) if score > cut]
        assert hits[number].tolist() == [oracle(boxes, heads.tolist(), t) for t in rule.thresholds]


def test_the_random_crowds_tell_the_rules_apart() -> None:
    found, truth = crowds(7, CASES, whole=True)
    totals = {
        rule.name: match(found, truth, rule).true_positives[:, 0].sum() for rule in (KAGGLE, NUMBA_PLUS1, RSNA, WILDS)
    }
    assert len(set(totals.values())) == 4


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0, 1))
def test_dropping_low_scores_before_or_after_matching_is_the_same(rule: Rule, seed: int, threshold: float) -> None:
    found, truth = crowds(seed, 20, whole=True)
    before = match([detections.above(threshold) for detections in found], truth, rule)
    after = match(found, truth, rule).above(threshold)
    assert before.hits.tolist() == after.hits.tolist()
    assert before.found.tolist() == after.found.tolist()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_images_do_not_influence_each_other(seed: int) -> None:
    found, truth = crowds(seed, 10, whole=True)
    order = np.random.default_rng(seed).permutation(10)
    together = match(found, truth, KAGGLE).true_positives
    mixed = match([found[number] for number in order], [truth[number] for number in order], KAGGLE).true_positives
    assert mixed.tolist() == together[order].tolist()


@settings(max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30))
def test_first_come_first_served_equals_the_plain_loop(pairs: list[tuple[int, int]]) -> None:
    left, right = set[int](), set[int]()
    expected = []
    for one, other in pairs:
        expected.append(one not in left and other not in right)
        if expected[-1]:
            left.add(one)
            right.add(other)
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    assert first_come_first_served(table[:, 0], table[:, 1]).tolist() == expected


def test_kaggle_gives_a_prediction_the_best_free_head_and_not_the_first() -> None:
    truth = boxes_of([[0, 0, 10, 10], [2, 0, 12, 10]])
    found = Detections(boxes_of([[2, 0, 12, 10], [0, 0, 10, 10]]), np.array([0.9, 0.8], dtype=np.float32))
    assert match([found], [truth], KAGGLE).hits.all()


def test_rsna_gives_the_first_head_the_most_confident_prediction_even_if_another_fits_better() -> None:
    truth = boxes_of([[0, 0, 10, 10], [2, 0, 12, 10]])
    # The surer prediction lies exactly on the second head, and overlaps the first by 2/3: the first head takes it.
    found = Detections(boxes_of([[2, 0, 12, 10], [-4, 0, 6, 10]]), np.array([0.9, 0.8], dtype=np.float32))
    assert match([found], [truth], RSNA).hits.astype(int).tolist() == [[1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]]
    assert match([found], [truth[::-1]], RSNA).true_positives.tolist() == [[1, 1, 1, 1, 1, 1]]


def test_wilds_counts_a_second_prediction_on_one_head_as_false_although_another_head_is_free() -> None:
    truth = boxes_of([[0, 0, 10, 10], [2, 0, 12, 10]])
    found = Detections(boxes_of([[0, 0, 10, 10], [0, 0, 10, 9]]), np.array([0.9, 0.8], dtype=np.float32))
    assert match([found], [truth], WILDS).hits[:, 0].tolist() == [True, False]
    assert match([found], [truth], KAGGLE).hits[:, 0].tolist() == [
        True,
        True,
    ]  # the second: IoU 72 / 118 with the other head


def test_wilds_drops_scores_of_one_half() -> None:
    truth = boxes_of([[0, 0, 10, 10]])
    found = Detections(truth, np.array([0.5], dtype=np.float32))
    assert len(match([found], [truth], WILDS).scores) == 0


def test_equal_scores_keep_their_order() -> None:
    truth = boxes_of([[0, 0, 10, 10]])
    found = Detections(boxes_of([[0, 0, 10, 8], [0, 0, 10, 10]]), np.array([0.7, 0.7], dtype=np.float32))
    assert match([found], [truth], KAGGLE).hits[:, 0].tolist() == [True, False]


def test_identical_boxes_each_find_their_own_head() -> None:
    same = boxes_of([[0, 0, 10, 10]] * 3)
    found = Detections(same[:2], np.array([0.9, 0.8], dtype=np.float32))
    assert match([found], [same], KAGGLE).true_positives.tolist() == [[2] * 6]


def test_nothing_anywhere_gives_no_hits_and_one_row_for_each_image() -> None:
    matching = match([no_detections()] * 3, [no_boxes()] * 3, KAGGLE)
    assert matching.true_positives.tolist() == [[0] * 6] * 3
    assert matching.found.tolist() == [0, 0, 0]


def test_no_images_give_an_empty_matching() -> None:
    assert match([], [], KAGGLE).true_positives.shape == (0, 6)


def test_detections_and_images_of_different_number_are_refused() -> None:
    with pytest.raises(ValueError, match="1 detections for 0 images"):
        match([no_detections()], [], KAGGLE)
