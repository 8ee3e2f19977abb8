"""Which part of the errors planted in real labels are among the first suspects.

Needs the folder of real photos that SPICA_GWHD names. `python benchmarks/suspects.py [MODEL [SOURCE...]]`: the shipped
model on 120 photos that it was trained on, or another model on photos of the sources named.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32

import spica
from spica.boxes import Boxes, iou
from spica.detections import Detections
from spica.labels.folder import read_labels
from spica.labels.labelled import LabelledImage
from spica.scoring.competition import image_score
from spica.scoring.suspects import Suspect, suspects
from spica.scoring.worth import worth_of

PHOTOS = 120
DELETED, SHIFTED, FALSE = 0.03, 0.03, 0.02  # parts of the labels
SHIFT = (0.3, 0.5)  # in sides of the box, in any direction
SAME = 0.4  # IoU from which a suspect is about a planted error
SEEDS = (1, 2, 3)

Planted: TypeAlias = list[tuple[str, str, Float32[np.ndarray, "4"]]]  # id of the image, kind, box


def main() -> None:
    weights, sources = (sys.argv[1] if len(sys.argv) > 1 else None), sys.argv[2:]
    labels, _ = read_labels(Path(os.environ["SPICA_GWHD"]))
    known = [image for image in labels if not sources or image.source in sources]
    chosen = [known[number] for number in sorted(np.random.default_rng(5).permutation(len(known))[:PHOTOS].tolist())]
    detect = spica.load_detector(weights)
    threshold = detect.card.threshold
    found = {image.id: spica.detect_file(detect, image.path) for image in chosen}
    print(f"{detect.name}, {len(chosen)} photos, {sum(image.heads for image in chosen):,} heads")
    rows = [measured(chosen, found, threshold, seed) for seed in SEEDS]
    for first, *parts in np.mean(rows, axis=0).tolist():
        print(
            f"first {first:5.0f}: deleted {parts[0]:.2f} shifted {parts[1]:.2f} false {parts[2]:.2f}"
            f" all {parts[3]:.2f}, planted among them {parts[4]:.2f}"
        )
    untouched = suspects(found, chosen, threshold)
    print("without planted errors:", dict(Counter(suspect.kind for suspect in untouched)))
    show_worth(chosen, found, threshold)


def measured(
    labels: Sequence[LabelledImage], found: dict[str, Detections], threshold: float, seed: int
) -> list[list[float]]:
    """Return for several N: the part of each kind of error, and of all, in the first N; and the part that is one."""
    faulty, planted = plant(labels, np.random.default_rng(seed))
    listed = suspects(found, faulty, threshold)
    ranks, is_one = ranked(listed, planted)
    kinds = np.array([kind for _, kind, _ in planted])
    rows = []
    for first in (50, 100, 200, len(planted), len(listed)):
        parts = [float((ranks[kinds == kind] < first).mean()) for kind in ("deleted", "shifted", "false")]
        rows.append([first, *parts, float((ranks < first).mean()), float(np.mean(is_one[:first]))])
    return rows


def plant(labels: Sequence[LabelledImage], random: np.random.Generator) -> tuple[list[LabelledImage], Planted]:
    """Return copies of labels with errors in them, and the errors."""
    faulty: list[LabelledImage] = []
    planted: Planted = []
    for image in labels:
        lot = random.random(image.heads)
        deleted, shifted = lot < DELETED, (lot >= DELETED) & (lot < DELETED + SHIFTED)
        boxes = image.boxes.copy()
        for row in np.flatnonzero(shifted).tolist():
            boxes[row] = moved(boxes[row], image, random)
        false = [elsewhere(image, random) for _ in range(random.binomial(image.heads, FALSE))]
        planted += [(image.id, "deleted", box) for box in image.boxes[deleted]]
        planted += [(image.id, "shifted", box) for box in boxes[shifted]]
        planted += [(image.id, "false", box) for box in false]
        kept = np.vstack([boxes[~deleted], *(box[None] for box in false)])
        faulty.append(LabelledImage(image.id, image.path, image.width, image.height, kept, image.source))
    return faulty, planted


def moved(box: Float32[np.ndarray, "4"], image: LabelledImage, random: np.random.Generator) -> Float32[np.ndarray, "4"]:
    angle, far = random.uniform(0, 2 * np.pi), random.uniform(*SHIFT)
    step = far * (box[2:] - box[:2]) * np.array([np.cos(angle), np.sin(angle)])
    limits = np.array([image.width, image.height] * 2)
    shifted: Float32[np.ndarray, "4"] = np.clip(box + np.tile(step, 2), 0, limits).astype(np.float32)
    return shifted


def elsewhere(image: LabelledImage, random: np.random.Generator) -> Float32[np.ndarray, "4"]:
    """Return a box as large as one of the labels, on none of them if there is room."""
    model = image.boxes[random.integers(image.heads)]
    size = model[2:] - model[:2]
    for _ in range(100):
        corner = random.uniform(0, np.array([image.width, image.height]) - size)
        box = np.concatenate([corner, corner + size]).astype(np.float32)
        if iou(box[None], image.boxes).max() < 0.1:
            break
    return box


def ranked(listed: Sequence[Suspect], planted: Planted) -> tuple[np.ndarray, list[bool]]:
    """Return the place of each planted error among the suspects, and which suspects are about one."""
    ranks = np.full(len(planted), np.inf)
    is_one = []
    for place, suspect in enumerate(listed):
        shown: Boxes = np.vstack([suspect.labels, suspect.found])
        meant = [
            number
            for number, (name, _, box) in enumerate(planted)
            if name == suspect.image.id and ranks[number] > place and iou(box[None], shown).max() > SAME
        ]
        ranks[meant] = place
        is_one.append(bool(meant))
    return ranks, is_one


def show_worth(labels: Sequence[LabelledImage], found: dict[str, Detections], threshold: float) -> None:
    doubts = np.array([worth_of(image.id, image.source, found[image.id], threshold).doubt for image in labels])
    scores = np.array([image_score(found[image.id].above(threshold), image.boxes) for image in labels])
    order = np.argsort(-doubts)
    quarter = len(order) // 4
    print(
        f"score of the quarter in most doubt {scores[order[:quarter]].mean():.3f}, "
        f"in least doubt {scores[order[-quarter:]].mean():.3f}"
    )


if __name__ == "__main__":
    main()
