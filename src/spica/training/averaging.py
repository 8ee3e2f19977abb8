"""The moving average of the weights: what is evaluated and kept."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from spica.model.detector import Detector


def averaged_weights(detector: Detector, decay: float, device: torch.device) -> AveragedModel | None:
    """Return the moving average of the weights; it follows quickly at first, when they still change much."""
    if not decay:
        return None

    def average(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        if not kept.is_floating_point():
            return new
        weight = min(decay, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(new, kept, weight)

    averaged = AveragedModel(detector, device=device, avg_fn=average, use_buffers=True)
    averaged.requires_grad_(False)  # noqa: FBT003 - torch's own signature
    return averaged


def blended(detector: Detector, start: Mapping[str, Tensor], share: float) -> Detector:
    """Return a copy of a detector with `share` of the weights `start` in its own; names that `start` lacks stay.

    Few photos then teach something without making the rest forgotten: weights between those before and after
    fine-tuning do better on both. Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
    """
    kept = deepcopy(detector)
    with torch.no_grad():
        for name, weight in kept.state_dict().items():
            if name in start and weight.is_floating_point():
                weight.lerp_(start[name].to(weight), share)
    return kept
