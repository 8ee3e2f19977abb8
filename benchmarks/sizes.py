"""How good a model is by the size of heads: real photos enlarged in part, or joined and made smaller.

Needs the folder of real photos that SPICA_GWHD names. `python benchmarks/sizes.py [MODEL [PARTS [EVERY]]]`: a model
file, and the parts.csv of its training, of which photos that were not trained on are taken, every so many; by default
the shipped model and every tenth photo, all of which it was trained on. Every photo is saved as a JPEG of 1,024 pixels,
and `spica predict` looks at it as it does by default, and once.
"""

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image as Pillow

from spica.boxes import Boxes, area, clip, median_side
from spica.detections import no_detections
from spica.image import Image
from spica.images import read_image
from spica.labels.folder import read_labels
from spica.labels.labelled import LabelledImage
from spica.labels.parts import read_parts
from spica.prediction.reading import read_results
from spica.scoring.evaluation import evaluate

SIDE = 1024  # pixels of a photo, before and after
FACTORS = (0.3, 0.45, 0.67, 1.0, 1.5, 2.2, 3.2)  # how many times as large heads become
BINS = (16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 176, 224, 320)  # median side of a photo's heads, pixels
VISIBLE = 0.3  # part of a head that must lie inside; less is not labelled in the data either
LOOKS = {"default": (), "once": ("--tile", str(SIDE))}
LEAST_HEADS = 3  # of a photo with fewer a median says little


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else None
    parts = read_parts(Path(sys.argv[2])) if len(sys.argv) > 2 else {}
    every = int(sys.argv[3]) if len(sys.argv) > 3 else 4 if parts else 10
    labels, _ = read_labels(Path(os.environ["SPICA_GWHD"]))
    known = [image for image in labels if parts.get(image.id) != "train" and max(image.width, image.height) == SIDE]
    with TemporaryDirectory() as folder:
        photos = list(made(known, every, Path(folder, "photos")))
        looks = {name: seen(Path(folder), name, model, options) for name, options in LOOKS.items()}
        table(photos, looks)


def made(known: Sequence[LabelledImage], every: int, folder: Path) -> Iterator[LabelledImage]:
    """Write photos with heads of other sizes, and yield them with their boxes."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number, image in enumerate(known):
        if number % every:
            continue
        same = [other for other in known if other.source == image.source]
        start = same.index(image)
        for factor in FACTORS:
            count = math.ceil(1 / factor)
            around = [same[(start + step) % len(same)] for step in range(count * count)]
            photo, boxes = _window(*_joined(around, count), SIDE / factor, random)
            if len(boxes) >= LEAST_HEADS:
                path = folder / f"{image.id}-{factor}.jpg"
                Pillow.fromarray(photo).save(path, quality=95)
                yield LabelledImage(path.stem, path, SIDE, SIDE, boxes, image.source)


def _joined(images: Sequence[LabelledImage], count: int) -> tuple[Image, Boxes]:
    """Return photos side by side, `count` in a row, and their boxes."""
    canvas = np.zeros((count * SIDE, count * SIDE, 3), dtype=np.uint8)
    boxes = []
    for place, image in enumerate(images):
        top, left = (part * SIDE for part in divmod(place, count))
        pixels = read_image(image.path)
        canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        boxes.append(image.boxes + np.array([left, top, left, top], dtype=np.float32))
    return canvas, np.concatenate(boxes)


def _window(canvas: Image, boxes: Boxes, side: float, random: np.random.Generator) -> tuple[Image, Boxes]:
    """Return a square part of a canvas at a random place, scaled to the side of a photo, and the heads on it."""
    left, top = random.uniform(0, len(canvas) - side, 2)
    part = Pillow.fromarray(canvas).resize(
        (SIDE, SIDE), Pillow.Resampling.BICUBIC, box=(left, top, left + side, top + side), reducing_gap=3.0
    )
    there = ((boxes - np.array([left, top, left, top])) * (SIDE / side)).astype(np.float32)
    inside = clip(there, SIDE, SIDE)
    return np.asarray(part), inside[area(inside) >= VISIBLE * area(there)]


def seen(folder: Path, name: str, model: str | None, options: Sequence[str]) -> Path:
    """Let `spica predict` look at all photos; return its results."""
    out = folder / name
    weights = [] if model is None else ["--weights", model]
    command = [str(Path(sys.executable).with_name("spica")), "predict", str(folder / "photos"), "--out", str(out)]
    subprocess.run([*command, "--no-pictures", *weights, *options], check=True, stdout=subprocess.DEVNULL)
    return out


def table(photos: Sequence[LabelledImage], looks: dict[str, Path]) -> None:
    """Print scores and errors of counts by the median side of a photo's heads."""
    results = [read_results(out) for out in looks.values()]
    found = [{photo.name: photo for photo in one.photos} for one in results]
    threshold = results[0].score  # boxes of a lower score are not in the results
    sides = np.array([median_side(photo.boxes) for photo in photos])
    print("| size, pixels | photos | score | bias | relative RMSE | flagged | once: score | bias | relative RMSE |")
    for low, high in pairwise(BINS):
        own = [photo for photo, side in zip(photos, sides, strict=True) if low <= side < high]
        if not own:
            continue
        cells = []
        for by_name in found:
            outcomes = [by_name[photo.path.name] for photo in own]
            boxes = [one.found or no_detections() for one in outcomes]
            row = evaluate(boxes, own, threshold, average_precision=False).overall
            cells += [f"{row.score:.3f}", f"{row.relative_bias:+.0%}", f"{row.relative_rmse:.0%}"]
            if len(cells) == 3:
                flagged = [any("heads" in flag for flag in one.flags) for one in outcomes]
                cells.append(f"{np.mean(flagged):.0%}")
        print(f"| {low} to {high} | {len(own)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
