"""The folder of a run: whether a run may begin or go on there, and what is written before the first step."""

import json
import platform
from pathlib import Path

import accelerate
import torch
import torchvision

import spica
from spica.errors import RecipeError, TrainingError
from spica.images import make_folder, mark_drawn, write_atomically
from spica.labels.folds import Parts
from spica.labels.parts import PARTS_TABLE, write_parts
from spica.model.checkpoint import WEIGHTS_NAME
from spica.training.recipe import Recipe, recipe_from
from spica.training.saving import CHECKPOINT_NAME

RECIPE_NAME = "recipe.json"
FREE_ON_RESUME = ("optimiser", "schedule", "run")  # tables of the recipe that may change when a run goes on


def require_place(out: Path, recipe: Recipe, *, resume: bool) -> None:
    """Do nothing if the run folder has room for a new run, or holds the one to resume.

    Raises:
        TrainingError: if there is a run already, or none to resume.
    """
    resumable = (out / CHECKPOINT_NAME).exists()
    if resume and not resumable:
        raise TrainingError(f"{out}: no run to resume there ({CHECKPOINT_NAME} is missing); train without --resume")
    if resumable and not resume:
        raise TrainingError(f"{out}: holds a run already; add --resume to go on with it, or name another folder")
    if (out / WEIGHTS_NAME).exists() and not resume:
        raise TrainingError(f"{out}: holds weights already, but no checkpoint to go on from; name another folder")
    if resume:
        stored = out / RECIPE_NAME
        try:
            content = json.loads(stored.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(f"{stored}: cannot be read ({error}); train into another folder") from error
        _require_same(recipe, recipe_from(content, str(stored)))


def _require_same(recipe: Recipe, stored: Recipe) -> None:
    """Do nothing if a recipe may go on with a run of another.

    Raises:
        RecipeError: if a setting differs that shapes what was learnt so far.
    """
    new, old = recipe.model_dump(mode="json"), stored.model_dump(mode="json")
    changed = [key for key in new if key not in FREE_ON_RESUME and new[key] != old[key]]
    if new["optimiser"]["kind"] != old["optimiser"]["kind"]:
        changed.append("optimiser.kind")
    if changed:
        raise RecipeError(
            f"[{changed[0]}] of the recipe differs from that of the run to resume;"
            f" only {', '.join(FREE_ON_RESUME)} may change, and not the kind of optimiser"
        )


def begin_folder(out: Path, recipe: Recipe, parts: Parts) -> None:
    """Write recipe, environment and parts.csv, which says of each photo whether it is trained on or held out.

    Raises:
        OutputError: if that is not possible.
    """
    make_folder(out / "pictures")
    mark_drawn(out / "pictures")  # nobody shall take them for photos
    write_atomically(out / RECIPE_NAME, recipe.model_dump_json(indent=2).encode())
    write_atomically(out / "environment.json", json.dumps(_environment(), indent=2).encode())
    write_parts(out / PARTS_TABLE, parts)


def _environment() -> dict[str, str | int]:
    return {
        "spica": spica.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "accelerate": accelerate.__version__,
        "machine": platform.platform(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": torch.get_num_threads(),
    }
