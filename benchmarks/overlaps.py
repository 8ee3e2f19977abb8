"""Which photos overlap, measured on windows cut from real photos, and on photos of one field that do not overlap.

    python benchmarks/overlaps.py FOLDER [PHOTOS] [STRANGERS]

FOLDER holds labelled photos; PHOTOS of each source are cut, 12 by default, and STRANGERS of each,
24 by default, are compared with each other. Needs the extra ground. Each window is
turned, scaled, tilted, lit, blurred and compressed in a way of its own. Prints for each share of overlap how many pairs
were found and how far off they lie; for photos cut into nine windows the heads counted once; and how many pairs of
different photos were mistaken for overlapping ones, which must be none. What it cannot show is relief and wind.
"""

import io
import sys
import time
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from spica.boxes import Boxes
from spica.counting.ground import border_margin
from spica.counting.overlaps import candidates, find_overlaps
from spica.counting.registration import Features, features_of, grid, inside, registered
from spica.counting.sharing import View, shares
from spica.labels.folder import read_labels
from spica.labels.labelled import LEAST_VISIBLE, LabelledImage

PHOTOS = 12
STRANGERS = 24
SHARES = (0.1, 0.2, 0.3, 0.5, 0.8)
SIDE = 480  # pixels of a window: two that share a tenth fit into a photo of 1,024
TURNED = 6.0  # degrees, at most; and what turned windows lack of a photo is not used
SCALED, TILTED = 0.1, 4e-5  # parts, at most; a tilt of 4e-5 a pixel makes one edge of a window 2 % longer
LIGHT, BLURRED, QUALITY = 0.25, 1.0, (60, 95)  # at most: part of the brightness, pixels; and JPEG


@dataclass(frozen=True)
class Window:
    """A window cut from a photo: its file, and the map from its pixels to those of the photo."""

    file: Path
    map: np.ndarray


def main(folder: str, photos: str = str(PHOTOS), strangers: str = str(STRANGERS)) -> None:
    """Print the three tables; end with 1 if two photos that do not overlap were registered."""
    labels, _ = read_labels(Path(folder))
    sources = sorted({image.source for image in labels if image.heads} - {"unknown"})
    fields = {source: [one for one in labels if one.source == source] for source in sources}
    everything = [image for images in fields.values() for image in images[: int(photos)]]
    with TemporaryDirectory() as name:
        for share in SHARES:
            print_pairs(everything, share, Path(name))
        for seed in (100, 300):
            print_sums(everything, seed, Path(name))
    wrong = sum(print_strangers(source, images[: int(strangers)]) for source, images in fields.items())
    if wrong:
        sys.exit(f"{wrong} pairs of different photos were registered, expected none")


def print_pairs(images: list[LabelledImage], share: float, desk: Path) -> None:
    """Print how many pairs with a share of overlap are found, and the error of the map on the ground they share."""
    chance = np.random.default_rng(round(100 * share))
    errors: list[float] = []
    for image in images:
        step = SIDE * (1 - share) / 2
        middles = [(image.width / 2 - step, image.height / 2), (image.width / 2 + step, image.height / 2)]
        one, other = (cut(image, middle, chance, desk / f"{number}.jpg") for number, middle in enumerate(middles))
        found = registered(features_of(one.file), features_of(other.file))
        if found is not None:
            errors.append(error(found.map, np.linalg.inv(other.map) @ one.map))
    off = f"{np.median(errors):.1f} px, at most {max(errors):.1f}" if errors else "-"
    print(f"{share:4.0%} shared: {len(errors)} of {len(images)} pairs found, off by {off}", flush=True)


def print_sums(images: list[LabelledImage], seed: int, desk: Path) -> None:
    """Print the heads of nine windows, counted once and in each, over the heads on the ground that they show."""
    chance = np.random.default_rng(seed)
    once, each, truth, links, single = 0.0, 0, 0, 0, []
    for image in images:
        step = (image.width - 1.1 * SIDE) / 2  # about half a window
        offsets = product((-step, 0, step), repeat=2)
        middles = [(image.width / 2 + x, image.height / 2 + y) for y, x in offsets]
        windows = [cut(image, middle, chance, desk / f"{number}.jpg") for number, middle in enumerate(middles)]
        seen = [visible(image.boxes, window.map) for window in windows]
        features: list[Features | None] = [features_of(window.file) for window in windows]
        overlaps = find_overlaps(features, candidates(len(windows), [None] * len(windows)))
        views = [View(SIDE, SIDE, boxes, border_margin(boxes)) for _, boxes in seen]
        own = sum(one.heads for one in shares(views, overlaps.around()))
        there = int(np.any([kept for kept, _ in seen], axis=0).sum())
        once, truth, links = once + own, truth + there, links + len(overlaps.links)
        each += sum(len(boxes) for _, boxes in seen)
        single.append(own / max(there, 1) - 1)
    spread = np.abs(single).mean()
    print(
        f"nine windows, half of each shared with the next: {truth} heads, {once / truth:.3f} of them"
        f" counted once, {spread:.1%} off for a photo on the average,"
        f" {each / truth:.3f} counted in each; {links / len(images):.1f} pairs",
        flush=True,
    )


def print_strangers(source: str, images: list[LabelledImage]) -> int:
    """Print how many pairs of different photos of a source were registered; return that, and say which."""
    clock = time.perf_counter()
    features = [features_of(image.path) for image in images]
    seconds = (time.perf_counter() - clock) / len(images)
    clock = time.perf_counter()
    pairs = list(combinations(range(len(images)), 2))
    wrong = [(one, other) for one, other in pairs if registered(features[one], features[other]) is not None]
    each = (time.perf_counter() - clock) / max(len(pairs), 1)
    print(
        f"{source}: {len(wrong)} of {len(pairs)} pairs registered; {seconds:.2f} s a photo, {each:.2f} s a pair",
        flush=True,
    )
    for one, other in wrong:
        print(f"  {images[one].path} and {images[other].path}")
    return len(wrong)


def cut(image: LabelledImage, middle: tuple[float, float], chance: np.random.Generator, file: Path) -> Window:
    """Return a window of a photo about that middle, turned, scaled, tilted, lit, blurred and compressed by chance."""
    turn, scale = np.radians(chance.uniform(-TURNED, TURNED)), chance.uniform(1 - SCALED, 1 + SCALED)
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    half = SIDE / 2
    turned = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    turned[2, :2] = chance.uniform(-TILTED, TILTED, 2)
    to, back = np.eye(3), np.eye(3)
    to[:2, 2], back[:2, 2] = middle, -half
    map_ = to @ turned @ back
    map_ /= map_[2, 2]
    with Pillow.open(image.path) as photo:
        pixels = photo.convert("RGB").transform(
            (SIDE, SIDE), Pillow.Transform.PERSPECTIVE, map_.ravel()[:8], Pillow.Resampling.BICUBIC
        )
    blurred = pixels.filter(ImageFilter.GaussianBlur(chance.uniform(0, BLURRED)))
    lit = np.asarray(blurred).astype(np.float32) * chance.uniform(1 - LIGHT, 1 + LIGHT)
    stream = io.BytesIO()
    Pillow.fromarray(lit.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=int(chance.integers(*QUALITY)))
    file.write_bytes(stream.getvalue())
    return Window(file, map_)


def error(found: np.ndarray, true: np.ndarray) -> float:
    """Return the median error of a map in pixels, where the windows overlap."""
    points = grid(SIDE, SIDE)
    right = moved(points, true)
    both = inside(right, SIDE, SIDE)
    return float(np.median(np.linalg.norm(moved(points, found) - right, axis=1)[both]))


def visible(boxes: Boxes, map_: np.ndarray) -> tuple[np.ndarray, Boxes]:
    """Return which heads a window shows to 30 % at least, and their boxes on it."""
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2).astype(np.float64)
    there = moved(corners, np.linalg.inv(map_)).reshape(-1, 4, 2)
    # Middles of the edges: a box does not grow when it is turned, as heads do not.
    low, high = (
        (there + np.roll(there, -1, axis=1)).min(axis=1) / 2,
        (there + np.roll(there, -1, axis=1)).max(axis=1) / 2,
    )
    full = np.concatenate([low, high], axis=1)
    clipped = full.clip(0, SIDE)
    part = np.prod(clipped[:, 2:] - clipped[:, :2], axis=1) / np.prod(full[:, 2:] - full[:, :2], axis=1)
    kept = part >= LEAST_VISIBLE
    return kept, clipped[kept].astype(np.float32)


def moved(points: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """Return points moved by a projective map."""
    found = np.column_stack([points, np.ones(len(points))]) @ map_.T
    return np.asarray(found[:, :2] / found[:, 2:])


if __name__ == "__main__":
    main(*sys.argv[1:])
