"""Checkpoints: everything that a training needs to go on exactly where it stopped."""

from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError  # for the error class alone: nothing is unpickled here
from typing import Any

import torch
from accelerate import Accelerator

from spica.errors import TrainingError
from spica.images import write_atomically
from spica.training.loop import State

CHECKPOINT_NAME = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation so far."""

    step: int = -1
    score: float = -1.0
    threshold: float = 0.5


def save_checkpoint(folder: Path, state: State, best: Best, accelerator: Accelerator) -> None:
    """Write the checkpoint of a run; the one before is replaced only when this one is whole."""
    content = {
        "model": accelerator.unwrap_model(state.model).state_dict(),
        "averaged": state.averaged.state_dict() if state.averaged is not None else None,
        "optimiser": state.optimiser.state_dict(),
        "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else None,
        "step": state.step,
        "seconds": state.seconds,
        "best": asdict(best),
    }
    buffer = BytesIO()
    torch.save(content, buffer)
    write_atomically(folder / CHECKPOINT_NAME, buffer.getvalue())


def load_checkpoint(folder: Path, state: State, accelerator: Accelerator) -> Best:
    """Put a run's checkpoint into a freshly built state, and return its best evaluation.

    Raises:
        TrainingError: if there is none, or it does not fit the recipe.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        raise TrainingError(f"{path}: no checkpoint to resume from; train without --resume")
    groups = [{key: value for key, value in group.items() if key != "params"} for group in state.optimiser.param_groups]
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        accelerator.unwrap_model(state.model).load_state_dict(content["model"])
        if state.averaged is not None and content["averaged"] is not None:
            state.averaged.load_state_dict(content["averaged"])
        elif state.averaged is not None:  # averaging begins now
            state.averaged.module.load_state_dict(content["model"])
        state.optimiser.load_state_dict(content["optimiser"])
    except (RuntimeError, KeyError, ValueError, AttributeError, TypeError, EOFError, UnpicklingError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"{path}: does not fit the recipe ({first}); train into another folder") from error
    for group, wanted in zip(state.optimiser.param_groups, groups, strict=True):
        group.update(wanted)  # rates and decays may change when a run goes on
    if content["scaler"] is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(content["scaler"])
    state.step, state.seconds = content["step"], content["seconds"]
    return Best(**content["best"])
