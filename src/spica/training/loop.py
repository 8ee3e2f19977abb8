"""The loop: one step after the other, and nothing else."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from spica.errors import TrainingError
from spica.model.teaching import Teachers
from spica.training.samples import Batch
from spica.training.schedule import Schedule, set_rate


@dataclass(slots=True, eq=False)
class State:
    """Everything that changes while training."""

    model: nn.Module
    averaged: AveragedModel | None
    optimiser: torch.optim.Optimizer
    seed: int
    step: int = 0
    seconds: float = 0.0


Losses = dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """How losses move the weights: where gradients are clipped (0 for nowhere), and who teaches beside the labels."""

    clip: float
    teachers: Teachers | None = None


def train_steps(
    state: State,
    data: Iterator[Batch],
    schedule: Schedule,
    learning: Learning,
    accelerator: Accelerator,
    after: Callable[[Losses], None],
) -> None:
    """Train until the schedule is over; `after` is called with the mean losses of each step.

    Raises:
        TrainingError: if a loss or a gradient is not finite, or memory runs out.
        RuntimeError: for anything else that goes wrong inside torch.
    """
    while not _is_over(state, schedule, accelerator):
        started = time.monotonic()
        rate = schedule.rate(state.step, state.seconds)
        set_rate(state.optimiser, rate)
        _seed(state, accelerator)
        batches = [next(data) for _ in range(schedule.settings.accumulate)]
        try:
            losses = _step(state, batches, learning, accelerator)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, and what a processor without memory gives
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                raise TrainingError(_out_of_memory(batches, state.step)) from error
            raise
        state.step += 1
        state.seconds += time.monotonic() - started  # evaluating and writing do not count as training
        after({**losses, "rate": rate})


def _step(state: State, batches: list[Batch], learning: Learning, accelerator: Accelerator) -> Losses:
    """Move the weights once, by the mean gradient of the batches, and return the mean losses.

    Raises:
        TrainingError: if losses or gradients are not finite; the weights have not moved then.
    """
    state.model.train()
    state.optimiser.zero_grad(set_to_none=True)
    sums: Losses = {}
    for batch in batches:
        alone = accelerator.no_sync(state.model) if batch is not batches[-1] else nullcontext()
        with alone:
            for name, value in _gradients(state, batch, len(batches), learning.teachers, accelerator).items():
                sums[name] = sums.get(name, 0.0) + value
    norm = accelerator.clip_grad_norm_(state.model.parameters(), learning.clip or float("inf"))
    # With fp16 an overflow is normal: the scaler leaves such a step out.
    if accelerator.scaler is None and norm is not None and not bool(torch.isfinite(norm)):
        raise TrainingError(_not_finite("the gradient", float(norm), batches, state.step))
    state.optimiser.step()
    if state.averaged is not None:
        state.averaged.update_parameters(accelerator.unwrap_model(state.model))
    return sums


def _gradients(state: State, batch: Batch, parts: int, teachers: Teachers | None, accelerator: Accelerator) -> Losses:
    """Add the gradients of one batch, which counts as one of `parts`, and return its losses.

    Raises:
        TrainingError: if a loss is not finite.
    """
    photos = batch.photos.to(accelerator.device, memory_format=torch.channels_last).float() / 255
    sizes = [(photos.shape[-2], photos.shape[-1])] * len(photos)
    with accelerator.autocast():
        lesson = teachers.look(photos) if teachers else None
        losses: dict[str, Tensor] = state.model(photos, sizes, batch.targets(accelerator.device), lesson)
        total = torch.stack(list(losses.values())).sum() / parts
    for name, loss in losses.items():
        if not bool(torch.isfinite(loss.detach())):
            raise TrainingError(_not_finite(name, float(loss.detach()), [batch], state.step))
    accelerator.backward(total)
    return {"loss": float(total.detach()), **{name: float(loss.detach()) / parts for name, loss in losses.items()}}


def _not_finite(name: str, value: float, batches: list[Batch], step: int) -> str:
    photos = ", ".join(photo for batch in batches for photo in batch.ids)
    return (
        f"{name} is {value} at step {step} (photos {photos});"
        " --resume goes on from the last checkpoint: with a lower optimiser.rate or optimiser.clip, or in float32"
    )


def _out_of_memory(batches: list[Batch], step: int) -> str:
    size, parts, side = len(batches[0].ids), len(batches), batches[0].photos.shape[-1]
    if size == 1:
        remedy = "set sample.side to a smaller size"
    else:
        smaller = size // 2 if size % 2 == 0 else 1
        remedy = (
            f"set schedule.batch={smaller} and schedule.accumulate={parts * size // smaller}, which trains the same"
        )
    return (
        f"out of memory at step {step} with batches of {size} samples of {side} pixels; {remedy};"
        " --resume goes on from the last checkpoint"
    )


def _seed(state: State, accelerator: Accelerator) -> None:
    """Make what a step draws at random depend on nothing but seed, step and process: so resuming is exact."""
    entropy = np.random.SeedSequence((state.seed, state.step, accelerator.process_index))
    torch.manual_seed(int(entropy.generate_state(1, np.uint32)[0]))


def _is_over(state: State, schedule: Schedule, accelerator: Accelerator) -> bool:
    if accelerator.num_processes > 1:  # clocks differ between processes, so that of the first one counts for all
        state.seconds = float(broadcast(torch.tensor([state.seconds], device=accelerator.device))[0])
    return schedule.progress(state.step, state.seconds) >= 1
