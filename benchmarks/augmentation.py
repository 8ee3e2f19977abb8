"""Training samples a second on one core: 1024 px photos to 512 px samples, ours beside what could have been used.

Ours cuts and scales first, and changes colours on the small sample through one table for each channel. Beside it stand
torchvision's transforms one after the other, and albumentations where it is installed.
"""

import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from spica.labels.fields import render_field
from spica.model.photos import photo_tensor
from spica.training.augmentation import Sample, make_sample
from spica.training.recipe import SampleSettings

SIDE, ROUNDS, PHOTOS = 512, 5, 20
Make = Callable[[int], object]


def main() -> None:
    """Print the rate of each."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    rendered = [render_field(seed) for seed in range(4)]
    samples = [
        Sample(photo_tensor(photo), torch.from_numpy(boxes), torch.ones(len(boxes), dtype=torch.bool))
        for photo, boxes in rendered
    ]

    def ours(settings: SampleSettings) -> Make:
        return lambda number: make_sample(
            samples[number % 4], lambda: samples[int(random.integers(4))], settings, 640, random
        )

    makers: dict[str, Make] = {
        "spica, plain": ours(SampleSettings(side=SIDE)),
        "spica, everything": ours(SampleSettings(side=SIDE, mosaic=0.5, mixup=0.2, hue=0.03, blur=0.3, jpeg=0.3)),
        "torchvision.transforms.v2": torchvision_maker(samples),
    }
    if find_spec("albumentations") is not None:
        makers["albumentations"] = albumentations_maker(samples)
    rates: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(ROUNDS):  # in turn, so that a machine that slows down slows all of them
        for name, make in makers.items():
            rates[name].append(rate(make))
    for name, values in rates.items():
        print(f"{name:28} {min(values):6.1f} to {max(values):6.1f}, median {statistics.median(values):6.1f} samples/s")


def rate(make: Make) -> float:
    started = time.perf_counter()
    for number in range(PHOTOS):
        make(number)
    return PHOTOS / (time.perf_counter() - started)


def torchvision_maker(samples: list[Sample]) -> Make:
    chain = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.ColorJitter(0.3, 0.3, 0.3),
            v2.ScaleJitter((SIDE, SIDE), scale_range=(0.7, 1.4), antialias=True),
            v2.RandomCrop(SIDE, pad_if_needed=True, fill=114),
            v2.ClampBoundingBoxes(),
            v2.SanitizeBoundingBoxes(labels_getter=None),
        ]
    )

    def make(number: int) -> object:
        sample = samples[number % 4]
        size = tuple(sample.photo.shape[-2:])
        boxes = tv_tensors.BoundingBoxes(sample.boxes, format="XYXY", canvas_size=size)
        return chain(tv_tensors.Image(sample.photo), boxes)

    return make


def albumentations_maker(samples: list[Sample]) -> Make:
    import albumentations
    import cv2

    cv2.setNumThreads(1)
    chain = albumentations.Compose(
        [
            albumentations.RandomScale((-0.65, -0.125), p=1),
            albumentations.PadIfNeeded(SIDE, SIDE),
            albumentations.RandomCrop(SIDE, SIDE),
            albumentations.D4(),
            albumentations.ColorJitter((0.7, 1.3), (0.7, 1.3), (0.7, 1.3), (0, 0), p=1),
        ],
        bbox_params=albumentations.BboxParams("pascal_voc", min_visibility=0.3),
    )
    arrays = [sample.photo.permute(1, 2, 0).contiguous().numpy() for sample in samples]
    rows = [np.hstack([sample.boxes.numpy(), np.zeros((len(sample.boxes), 1))]) for sample in samples]
    return lambda number: chain(image=arrays[number % 4], bboxes=rows[number % 4])


if __name__ == "__main__":
    main()
