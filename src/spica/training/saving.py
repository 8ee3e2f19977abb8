"""Checkpoints: everything that a training needs to go on exactly where it stopped."""

from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
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
        "random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
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
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        accelerator.unwrap_model(state.model).load_state_dict(content["model"])
        if state.averaged is not None:
            state.averaged.load_state_dict(content["averaged"])
        state.optimiser.load_state_dict(content["optimiser"])
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        first = str(error).strip().splitlines()[0]
        raise TrainingError(f"{path}: does not fit the recipe ({first}); train into another folder") from error
    if content["scaler"] is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(content["scaler"])
    state.step, state.seconds = content["step"], content["seconds"]
    torch.set_rng_state(content["random"])
    if content["cuda_random"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(content["cuda_random"])
    return Best(**content["best"])
