"""Training samples as batches: which photo at which step, decoded photos kept in memory, workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from spica.boxes import median_side
from spica.images import read_image
from spica.labels.labelled import LabelledImage, Labels
from spica.model.photos import photo_tensor
from spica.model.targets import Targets, target
from spica.training.augmentation import Sample, make_sample
from spica.training.recipe import SampleSettings

GIGABYTE = 1e9
LEAST_RANGE = 2.0  # of sizes of heads: photos of one field, which differ less, are no reason to doubt others
Place = tuple[int, int]  # epoch and index of a photo: together they decide everything about a sample


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Photos (n, 3, side, side) as uint8, the boxes on each, which of them are heads, and the photos' ids."""

    photos: Tensor
    boxes: tuple[Tensor, ...]
    heads: tuple[Tensor, ...]
    ids: tuple[str, ...]

    def targets(self, device: torch.device) -> Targets:
        """Return what is on each photo in the detector's form."""
        return [target(boxes.to(device), heads.to(device)) for boxes, heads in zip(self.boxes, self.heads, strict=True)]


class PhotoCache:
    """Decoded photos, kept while they fit a memory budget; those beyond it are decoded each time."""

    def __init__(self, labels: Labels, budget: float) -> None:
        self.labels = labels
        self.left = budget
        self.kept: dict[int, Tensor] = {}

    def sample(self, index: int) -> Sample:
        """Return a photo and its boxes.

        Raises:
            ImageError: if the photo cannot be read.
        """
        image = self.labels[index]
        boxes = torch.from_numpy(np.concatenate([image.boxes, image.ignored]))
        return Sample(self._photo(index, image), boxes, torch.arange(len(boxes)) < image.heads)

    def fill(self) -> None:
        """Decode photos until the budget is spent; done before workers start, they share the memory."""
        for index in range(len(self.labels)):
            self.sample(index)
            if index not in self.kept:
                return

    def _photo(self, index: int, image: LabelledImage) -> Tensor:
        if index in self.kept:
            return self.kept[index]
        photo = photo_tensor(read_image(image.path))
        if photo.nbytes <= self.left:
            self.left -= photo.nbytes
            self.kept[index] = photo
        return photo


class Samples(Dataset[tuple[Sample, str]]):
    """Augmented samples; the same place gives the same sample, whatever came before."""

    def __init__(self, cache: PhotoCache, settings: SampleSettings, look: int, seed: int) -> None:
        self.cache = cache
        self.settings = settings
        self.look = look
        self.seed = seed

    def __getitem__(self, place: Place) -> tuple[Sample, str]:
        epoch, index = place
        random = np.random.default_rng((self.seed, epoch, index))

        def another() -> Sample:
            return self.cache.sample(int(random.integers(len(self.cache.labels))))

        sample = make_sample(self.cache.sample(index), another, self.settings, self.look, random)
        return sample, self.cache.labels[index].id


def head_sides(labels: Labels, look: int) -> tuple[float, float] | None:
    """Return the range of a photo's median head: square root of its area, in pixels of the photo resized to `look`.

    98 % of the photos lie in it, and it spans at least a factor of 2; None if there is no head. It is not wider for
    samples being zoomed: outside it counts were found to be off by more than a sixth all the same
    (docs/experiments.md).
    """
    medians = [median_side(image.boxes) * look / max(image.width, image.height) for image in labels if image.heads]
    if not medians:
        return None
    low, high = np.percentile(medians, [1, 99])
    wider = max(1.0, np.sqrt(LEAST_RANGE * low / high))
    return round(float(low / wider), 1), round(float(high * wider), 1)


class BatchOrder(Sampler[list[Place]]):
    """Batches of places without end: every epoch in a new order, shared out among processes, from any step on."""

    def __init__(
        self, photos: int, batch: int, seed: int, *, first_step: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        self.photos, self.batch, self.seed = photos, batch, seed
        self.first_step, self.rank, self.ranks = first_step, rank, ranks

    def __iter__(self) -> Iterator[list[Place]]:
        step = self.first_step
        while True:
            first = (step * self.ranks + self.rank) * self.batch
            yield [self._place(number) for number in range(first, first + self.batch)]
            step += 1

    def _place(self, number: int) -> Place:
        epoch, position = divmod(number, self.photos)
        order = np.random.default_rng((self.seed, epoch)).permutation(self.photos)
        return epoch, int(order[position])


def collate(samples: Sequence[tuple[Sample, str]]) -> Batch:
    """Return samples as one batch."""
    photos = torch.stack([sample.photo for sample, _ in samples])
    boxes, heads = (tuple(getattr(sample, name) for sample, _ in samples) for name in ("boxes", "heads"))
    return Batch(photos, boxes, heads, tuple(name for _, name in samples))


def batches(samples: Samples, order: BatchOrder, workers: int) -> Iterator[Batch]:
    """Return batches without end; `workers` processes prepare them, 0 prepares them when they are asked for."""
    if workers:
        samples.cache.fill()
    generator = torch.Generator().manual_seed(0)  # its own, so that the loader draws nothing from the global one
    loader = DataLoader(
        samples,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=collate,
        generator=generator,
        pin_memory=torch.cuda.is_available(),
    )
    return iter(loader)
