"""The moving average of the weights: what is evaluated and kept."""

import torch
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
