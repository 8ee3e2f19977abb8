"""The schedule: optimiser, learning rate at each step, and when training is over."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from spica.model.detector import Detector
from spica.training.recipe import OptimiserSettings, ScheduleSettings

LAST_RATE = 0.01  # part of the learning rate at which cosine ends: the last steps still settle something


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate and end of a training over `photos` photos with `samples` samples at each step."""

    settings: ScheduleSettings
    photos: int
    samples: int

    def progress(self, step: int, seconds: float) -> float:
        """Return how much of the training is done, 1 at its end."""
        parts = [0.0]
        if self.settings.epochs:
            parts.append(self.epoch(step) / self.settings.epochs)
        if self.settings.minutes:
            parts.append(seconds / (60 * self.settings.minutes))
        return min(1.0, max(parts))

    def epoch(self, step: int) -> float:
        """Return how often each photo was seen so far."""
        return step * self.samples / self.photos

    def rate(self, step: int, seconds: float) -> float:
        """Return the learning rate at a step as a part of the highest."""
        warm = min(1.0, (step + 1) / (self.settings.warmup_steps + 1))
        match self.settings.decay:
            case "cosine":
                left = (1 + math.cos(math.pi * self.progress(step, seconds))) / 2
                return warm * (LAST_RATE + (1 - LAST_RATE) * left)
            case "steps":
                return float(warm * self.settings.step_factor ** (self.epoch(step) // self.settings.step_epochs))
            case "constant":
                return warm


def build_optimiser(detector: Detector, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """Return the optimiser of all weights that learn: backbone and the rest, with and without weight decay."""
    # By what parameters are, not by their rates: a run may be resumed with other rates.
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in detector.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("body."), parameter.dim() > 1), []).append(parameter)
    listed = []
    for (of_backbone, of_matrix), parameters in groups.items():
        rate = settings.rate * (settings.backbone_rate if of_backbone else 1)
        decay = settings.weight_decay if of_matrix else 0.0
        listed.append({"params": parameters, "lr": rate, "weight_decay": decay, "highest": rate})
    if settings.kind == "sgd":
        return torch.optim.SGD(listed, momentum=settings.momentum)
    return torch.optim.AdamW(listed)


def set_rate(optimiser: torch.optim.Optimizer, part: float) -> None:
    """Set each group's learning rate to a part of its highest."""
    for group in optimiser.param_groups:
        group["lr"] = group["highest"] * part
