"""The loop: one step after the other, and nothing else."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from spica.errors import TrainingError
from spica.training.samples import Batch
from spica.training.schedule import Schedule, set_rate


@dataclass(slots=True, eq=False)
class State:
    """Everything that changes while training."""

    model: nn.Module
    averaged: AveragedModel | None
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0


Losses = dict[str, float]


def train_steps(
    state: State,
    data: Iterator[Batch],
    schedule: Schedule,
    clip: float | None,
    accelerator: Accelerator,
    after: Callable[[Losses], None],
) -> None:
    """Train until the schedule is over; `after` is called with the mean losses of each step.

    Raises:
        TrainingError: if a loss is not finite, or memory runs out.
    """
    while not _is_over(state, schedule, accelerator):
        started = time.monotonic()
        rate = schedule.rate(state.step, state.seconds)
        set_rate(state.optimiser, rate)
        losses = _step(state, [next(data) for _ in range(schedule.settings.accumulate)], clip, accelerator)
        if state.averaged is not None:
            state.averaged.update_parameters(accelerator.unwrap_model(state.model))
        state.step += 1
        state.seconds += time.monotonic() - started  # evaluating and writing do not count as training
        after({**losses, "rate": rate})


def _step(state: State, batches: list[Batch], clip: float | None, accelerator: Accelerator) -> Losses:
    state.model.train()
    state.optimiser.zero_grad(set_to_none=True)
    sums: Losses = {}
    for batch in batches:
        alone = accelerator.no_sync(state.model) if batch is not batches[-1] else nullcontext()
        with alone:
            for name, value in _gradients(state.model, batch, len(batches), accelerator, state.step).items():
                sums[name] = sums.get(name, 0.0) + value
    if clip is not None:
        accelerator.clip_grad_norm_(state.model.parameters(), clip)
    state.optimiser.step()
    return sums


def _gradients(model: nn.Module, batch: Batch, parts: int, accelerator: Accelerator, step: int) -> Losses:
    """Add the gradients of one batch, which counts as one of `parts`, and return its losses.

    Raises:
        TrainingError: if a loss is not finite, or memory runs out.
    """
    photos = batch.photos.to(accelerator.device, memory_format=torch.channels_last).float() / 255
    sizes = [(photos.shape[-2], photos.shape[-1])] * len(photos)
    try:
        with accelerator.autocast():
            losses: dict[str, Tensor] = model(photos, sizes, batch.targets(accelerator.device))
            total = torch.stack(list(losses.values())).sum() / parts
        _require_finite(losses, batch, step)
        accelerator.backward(total)
    except torch.OutOfMemoryError as error:
        half = max(1, len(batch.ids) // 2)
        raise TrainingError(
            f"out of memory at step {step} with batches of {len(batch.ids)} samples of {photos.shape[-1]} pixels;"
            f" set schedule.batch={half} and schedule.accumulate={parts * 2}, which trains the same, and --resume"
        ) from error
    return {"loss": float(total.detach()), **{name: float(loss.detach()) / parts for name, loss in losses.items()}}


def _require_finite(losses: dict[str, Tensor], batch: Batch, step: int) -> None:
    for name, loss in losses.items():
        if not bool(torch.isfinite(loss.detach())):
            raise TrainingError(
                f"{name} is {float(loss.detach())} at step {step} (photos {', '.join(batch.ids)});"
                " lower optimiser.rate, set optimiser.clip, or use float32; --resume goes on from the last checkpoint"
            )


def _is_over(state: State, schedule: Schedule, accelerator: Accelerator) -> bool:
    over = schedule.progress(state.step, state.seconds) >= 1
    if accelerator.num_processes == 1:
        return over
    # Clocks differ between processes, so the first one decides for all.
    return bool(broadcast(torch.tensor([float(over)], device=accelerator.device))[0])
