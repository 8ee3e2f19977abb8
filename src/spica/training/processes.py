"""Device, precision and number of processes, as the recipe and the launcher say."""

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs

from spica.errors import RecipeError
from spica.training.recipe import RunSettings


def build_accelerator(settings: RunSettings) -> Accelerator:
    """Return device, precision and processes as the recipe and the launcher (`torchrun`, `accelerate launch`) say.

    Raises:
        RecipeError: if the recipe asks for a GPU and there is none.
    """
    precision = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}[settings.precision]
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    if settings.device == "cuda" and not on_gpu:
        raise RecipeError("run.device is 'cuda', but there is no GPU here; set it to auto or cpu")
    if precision == "fp16" and not on_gpu:
        raise RecipeError("run.precision is 'fp16', which needs a GPU; set it to float32 or bf16")
    # A backbone may have layers behind the maps that are used; several processes must be told to expect that.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(mixed_precision=precision, cpu=not on_gpu, kwargs_handlers=[unused])
