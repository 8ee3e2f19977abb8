"""Batches: every photo once an epoch, shared out among processes, from any step on."""

from dataclasses import replace
from itertools import islice

import numpy as np
import torch

from spica.labels.labelled import Labels
from spica.training.recipe import SampleSettings
from spica.training.samples import BatchOrder, PhotoCache, Samples, batches

SETTINGS = SampleSettings(side=64)


def test_an_epoch_shows_every_photo_once_and_the_next_in_another_order() -> None:
    places = [place for batch in islice(BatchOrder(6, 2, seed=1), 6) for place in batch]
    epochs = [[index for epoch, index in places if epoch == number] for number in (0, 1)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(6))
    assert epochs[0] != epochs[1]


def test_processes_share_the_photos_of_a_step() -> None:
    alone = list(islice(BatchOrder(8, 4, seed=1), 4))
    shared = [list(islice(BatchOrder(8, 2, seed=1, rank=rank, ranks=2), 4)) for rank in (0, 1)]
    assert [first + second for first, second in zip(*shared, strict=True)] == alone


def test_an_order_goes_on_from_any_step() -> None:
    assert list(islice(BatchOrder(7, 3, seed=1, first_step=4), 3)) == list(islice(BatchOrder(7, 3, seed=1), 7))[4:]


def test_workers_give_the_same_batches_as_none(painted_labels: Labels) -> None:
    def first(workers: int) -> list[torch.Tensor]:
        samples = Samples(PhotoCache(painted_labels, 1e9), SETTINGS, 96, seed=2)
        return [batch.photos for batch in islice(batches(samples, BatchOrder(12, 3, seed=2), workers), 3)]

    for alone, helped in zip(first(0), first(1), strict=True):
        assert torch.equal(alone, helped)


def test_the_cache_keeps_photos_within_its_budget_and_gives_the_same_without_it(painted_labels: Labels) -> None:
    one = 96 * 64 * 3
    cache, none = PhotoCache(painted_labels, 3.5 * one), PhotoCache(painted_labels, 0)
    for index in range(12):
        assert torch.equal(cache.sample(index).photo, none.sample(index).photo)
    assert (len(cache.kept), len(none.kept)) == (3, 0)


def test_photos_without_heads_are_samples_without_boxes(painted_labels: Labels) -> None:
    samples = Samples(PhotoCache(painted_labels, 1e9), SETTINGS, 96, seed=2)
    sample, name = samples[0, 11]
    assert (name, tuple(sample.boxes.shape)) == ("photo11", (0, 4))


def test_boxes_to_be_ignored_reach_the_targets_as_such(painted_labels: Labels) -> None:
    image = painted_labels[0]
    whole = np.array([[0, 0, image.width, image.height]], dtype=np.float32)
    labels = (replace(image, ignored=whole),)
    samples = Samples(PhotoCache(labels, 1e9), SETTINGS, 96, seed=2)
    batch = next(batches(samples, BatchOrder(1, 1, seed=2), 0))
    one = batch.targets(torch.device("cpu"))[0]
    assert one["labels"].tolist() == [1] * (len(batch.boxes[0]) - 1) + [-1]
    assert len(one["labels"]) > 1
    assert torch.equal(one["boxes"][-1], batch.boxes[0][~batch.heads[0]][0])
