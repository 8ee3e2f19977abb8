"""Time the competition score of a whole training set against the double loop that most notebooks use.

Both score the same 3,422 simulated images (44 heads and 60 predictions each, as in Kaggle's training set) at all six
thresholds, by the same rule, and must agree. The plain loops are slow: they are timed on a part of the images, and the
time is scaled.

    python benchmarks/scoring.py
"""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from spica.detections import Detections
from spica.labels.labelled import LabelledImage
from spica.scoring.competition import competition_score, image_scores
from spica.scoring.curves import best_threshold
from spica.scoring.rules import KAGGLE

IMAGES, HEADS, PREDICTIONS, SEEN = 3_422, 44, 60, 40
PART = 60  # images scored by the plain loops
ROUNDS = 5

Box = Sequence[float]


def simulated(number: int, generator: np.random.Generator) -> tuple[LabelledImage, Detections]:
    centres, sizes = generator.uniform(50, 970, (HEADS, 2)), generator.uniform(30, 90, (HEADS, 2))
    truth = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).clip(0, 1024).astype(np.float32)
    seen = truth[generator.permutation(HEADS)[:SEEN]] + generator.normal(0, 4, (SEEN, 4))
    others = truth[generator.integers(0, HEADS, PREDICTIONS - SEEN)] + generator.normal(0, 20, (PREDICTIONS - SEEN, 4))
    scores = generator.random(PREDICTIONS).astype(np.float32)
    image = LabelledImage(str(number), Path("simulated"), 1024, 1024, truth)
    return image, Detections(np.concatenate([seen, others]).astype(np.float32), scores)


def plain_iou(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height)


def plain_score(found: list[Box], truth: list[Box], iou_of: Callable[[int, int], float]) -> float:
    total = 0.0
    for threshold in KAGGLE.thresholds:
        free = [True] * len(truth)
        hits = 0
        for prediction in range(len(found)):
            best, best_head = threshold, -1
            for head in range(len(truth)):
                if free[head]:
                    overlap = iou_of(prediction, head)
                    if overlap > best:
                        best, best_head = overlap, head
            if best_head >= 0:
                free[best_head] = False
                hits += 1
        total += hits / (len(found) + len(truth) - hits)
    return total / len(KAGGLE.thresholds)


def double_loop(found: list[Box], truth: list[Box]) -> float:
    """Score one image, working each IoU out anew at each threshold."""
    return plain_score(found, truth, lambda prediction, head: plain_iou(found[prediction], truth[head]))


def double_loop_remembering(found: list[Box], truth: list[Box]) -> float:
    """Score one image, working each IoU out once."""
    table = [[plain_iou(box, head) for head in truth] for box in found]
    return plain_score(found, truth, lambda prediction, head: table[prediction][head])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    generator = np.random.default_rng(0)
    labels, found = zip(*(simulated(number, generator) for number in range(IMAGES)), strict=True)
    lists = [(one.boxes.tolist(), image.boxes.tolist()) for one, image in zip(found[:PART], labels[:PART], strict=True)]
    ours = image_scores(found, labels)[:PART]
    for loop in (double_loop, double_loop_remembering):
        if not np.allclose(ours, [loop(*boxes) for boxes in lists], rtol=0, atol=1e-12):
            raise RuntimeError(f"{loop.__name__} gives other scores")
    ways: dict[str, tuple[Callable[[], object], float]] = {
        "spica": (lambda: competition_score(found, labels), 1),
        "double loop": (lambda: [double_loop(*boxes) for boxes in lists], IMAGES / PART),
        "double loop, IoUs remembered": (lambda: [double_loop_remembering(*boxes) for boxes in lists], IMAGES / PART),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):  # side by side, so that other work on the machine hits all alike
        for name, (work, scale) in ways.items():
            times[name].append(seconds(work) * scale)
    print(f"{IMAGES} images, {HEADS} heads and {PREDICTIONS} predictions each, {len(KAGGLE.thresholds)} thresholds")
    for name, values in times.items():
        low, middle = min(values), statistics.median(values)
        ratio = f"{low / min(times['spica']):6.0f} x {middle / statistics.median(times['spica']):6.0f} x"
        print(f"{name:30}  min {low:8.3f} s  median {middle:8.3f} s  {ratio}")
    print(f"{'best threshold of 99':30}  {seconds(lambda: best_threshold(found, labels)):12.3f} s")


if __name__ == "__main__":
    main()
