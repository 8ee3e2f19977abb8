"""A data set of rendered photos in Kaggle's layout."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from spica.errors import OutputError
from spica.images import write_image
from spica.labels import kaggle
from spica.labels.fields.field import render_field
from spica.labels.fields.sources import SOURCES
from spica.labels.folder import write_labels
from spica.labels.labelled import LabelledImage, Labels

QUALITY = (82, 96)  # of the JPEG files, as cameras and drones write them
Progress: TypeAlias = Callable[[int, int], None]  # photos that are rendered, photos in all


def render_fields(
    folder: Path, images: int, seed: int, *, side: int = 1024, progress: Progress | None = None
) -> Labels:
    """Write `images` rendered photos with train.csv to `folder`, new or empty, and return their labels.

    The sources take turns, so that folds by source can be made of seven photos or more. The same arguments give the
    same files. The folder appears when it is complete; `progress` is called after each photo.

    Raises:
        OutputError: if the folder is not empty or cannot be written.
        ValueError: if `images` is not positive, or `side` is too small.
    """
    if images <= 0:
        raise ValueError(f"images is {images}, expected 1 or more")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder}: is there and not empty; name a new folder")  # before hours of rendering
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-photos-", dir=folder.parent) as desk:
            labels = _render_all(Path(desk), images, seed, side, progress)
            write_labels(labels, folder, "kaggle")
    except OSError as broken:
        raise OutputError(f"{folder}: cannot be written ({broken.strerror}); check rights and space") from broken
    return tuple(replace(image, path=folder / kaggle.PHOTOS / image.path.name) for image in labels)


def _render_all(desk: Path, images: int, seed: int, side: int, progress: Progress | None) -> Labels:
    """Return the labels of photos rendered to `desk`."""
    labels = []
    for number in range(images):
        labels.append(_render_one(desk, number, seed, side))
        if progress is not None:
            progress(number + 1, images)
    return tuple(labels)


def _render_one(desk: Path, number: int, seed: int, side: int) -> LabelledImage:
    """Return one labelled photo; its seed depends on `seed` and `number` alone."""
    source = SOURCES[number % len(SOURCES)]
    random = np.random.default_rng([seed, number])
    photo, boxes = render_field(int(random.integers(2**31)), side=side, source=source)
    name = f"{source.name}_{number:05d}"
    path = desk / f"{name}.jpg"
    write_image(path, photo, quality=int(random.integers(*QUALITY)))
    return LabelledImage(name, path, side, side, boxes, source.name)
