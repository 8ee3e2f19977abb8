"""A run: from a recipe and labels to a folder with weights, scores, curves and pictures."""

import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import accelerate
import torch
import torchvision
from accelerate import Accelerator
from torch.optim.swa_utils import AveragedModel

import spica
from spica.detections import Detections
from spica.errors import AnnotationError, RecipeError, TrainingError
from spica.images import read_image, write_atomically
from spica.labels.folder import read_labels
from spica.labels.folds import Parts, hold_out
from spica.labels.labelled import LabelledImage, Labels
from spica.labels.problems import Problem
from spica.model.checkpoint import WEIGHTS_NAME, Card, NetworkDetect, load_detect, save_weights
from spica.model.detector import Detector
from spica.scoring.curves import best_threshold
from spica.scoring.evaluation import Evaluation, evaluate
from spica.training.journal import Journal, Means, draw_curves, draw_validation, tensorboard_writer
from spica.training.loop import Losses, State, train_steps
from spica.training.recipe import Recipe, read_recipe, recipe_from
from spica.training.samples import GIGABYTE, Order, PhotoCache, Samples, batches
from spica.training.saving import Best, load_checkpoint, save_checkpoint
from spica.training.schedule import Schedule, build_optimiser

RECIPE_NAME = "recipe.json"
PICTURED = 4  # validation photos drawn at each evaluation
FREE_ON_RESUME = ("schedule", "run")  # tables of the recipe that may change when a run goes on


@dataclass(frozen=True, slots=True)
class Progress:
    """What a training tells while it goes on."""

    step: int
    done: float
    seconds: float
    losses: Losses
    rate: float
    """Samples for each second."""
    note: str = ""
    """A line worth reading: an evaluation."""


Tell = Callable[[Progress], None]


def train(
    recipe: Path,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    settings: Sequence[str] = (),
    tell: Tell = lambda _progress: None,
) -> tuple[dict[str, Evaluation], list[Problem]]:
    """Train a detector by a recipe on labelled photos, into the run folder `out`.

    Returns the evaluations of the best weights on the parts held out, and the problems of the labels.

    Raises:
        SpicaError: for a recipe, labels or photos that cannot be used, or a training that cannot go on.
    """
    chosen = read_recipe(recipe, settings)
    labels, problems = read_labels(data)
    parts = _parts(labels, chosen)
    _prepare(out, chosen, resume=resume)
    run = _Run(chosen, parts, out, resume=resume, tell=tell)
    run.train()
    return run.judge() if run.is_first else {}, problems


def _parts(labels: Labels, recipe: Recipe) -> Parts:
    kept = recipe.validation
    parts = hold_out(labels, kept.sources, kept.fraction, kept.seed)
    if not any(image.heads for image in parts.train):
        raise AnnotationError(f"no labelled heads to train on: {len(labels)} photos, {len(parts.train)} for training")
    return parts


def _prepare(out: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make the run folder with recipe and environment, or check that the recipe is that of the run to resume.

    Raises:
        TrainingError: if there is a run already, or none to resume.
    """
    stored = out / RECIPE_NAME
    if resume:
        if not stored.is_file():
            raise TrainingError(f"{out}: no run to resume there ({RECIPE_NAME} is missing); train without --resume")
        _require_same(recipe, recipe_from(json.loads(stored.read_text(encoding="utf-8")), str(stored)))
    elif stored.exists():
        raise TrainingError(f"{out}: holds a run already; add --resume to go on with it, or name another folder")
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    write_atomically(stored, recipe.model_dump_json(indent=2).encode())
    write_atomically(out / "environment.json", json.dumps(_environment(), indent=2).encode())


def _require_same(recipe: Recipe, stored: Recipe) -> None:
    new, old = recipe.model_dump(mode="json"), stored.model_dump(mode="json")
    changed = [key for key in new if key not in FREE_ON_RESUME and new[key] != old[key]]
    if changed:
        raise RecipeError(
            f"[{changed[0]}] of the recipe differs from that of the run to resume;"
            f" only {' and '.join(FREE_ON_RESUME)} may change"
        )


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


class _Run:
    """A training under way: its state, and what is written when."""

    def __init__(self, recipe: Recipe, parts: Parts, out: Path, *, resume: bool, tell: Tell) -> None:
        self.recipe, self.parts, self.out, self.tell = recipe, parts, out, tell
        if recipe.run.threads is not None:
            torch.set_num_threads(recipe.run.threads)
        torch.manual_seed(recipe.run.seed)
        self.accelerator = _accelerator(recipe)
        self.is_first = self.accelerator.is_main_process
        self.detector = Detector(recipe.detector).to(memory_format=torch.channels_last)
        self.state = self._new_state()
        self.best = load_checkpoint(out, self.state, self.accelerator) if resume else Best()
        ranks = self.accelerator.num_processes
        schedule = recipe.schedule
        self.schedule = Schedule(schedule, len(parts.train), schedule.batch * schedule.accumulate * ranks)
        last = self.state.step if resume else None
        self.metrics = Journal(out / "metrics.csv", last_step=last)
        self.evaluations = Journal(out / "evaluations.csv", last_step=last)
        self.tensorboard = tensorboard_writer(out) if self.is_first else None
        self.means = Means()
        self.saved = time.monotonic()

    def train(self) -> None:
        """Train to the end of the schedule.

        Raises:
            KeyboardInterrupt: after what was learnt so far has been saved.
        """
        data = batches(self._samples(), self._order(), self.recipe.run.workers)
        clip = self.recipe.optimiser.clip
        if self.accelerator.num_processes > 1:
            # Every process draws proposals and anchors of its own.
            torch.manual_seed(self.recipe.run.seed + 1 + self.accelerator.process_index)
        try:
            train_steps(self.state, data, self.schedule, clip, self.accelerator, self._after_step)
        except KeyboardInterrupt:
            if self.is_first:
                self._save()
            raise
        self._finish()

    def judge(self) -> dict[str, Evaluation]:
        """Return, and write, the evaluations of the best weights on the parts held out."""
        detect = load_detect(self.out, str(self.accelerator.device))
        judged = {}
        for name, labels in (("validation", self.parts.held_fraction), ("held_out", self.parts.held_sources)):
            if labels:
                found = [detect(read_image(image.path)) for image in labels]
                judged[name] = evaluate(found, labels, detect.threshold)
        content = {name: json.loads(evaluation.to_json()) for name, evaluation in judged.items()}
        write_atomically(self.out / "evaluation.json", json.dumps(content, indent=2).encode())
        return judged

    def _new_state(self) -> State:
        optimiser = build_optimiser(self.detector, self.recipe.optimiser)
        averaged = _averaged(self.detector, self.recipe.run.averaging, self.accelerator.device)
        model, optimiser = self.accelerator.prepare(self.detector, optimiser)
        return State(model, averaged, optimiser)

    def _samples(self) -> Samples:
        budget = self.recipe.run.cache_gigabytes * GIGABYTE / self.accelerator.num_processes
        cache = PhotoCache(self.parts.train, budget)
        return Samples(cache, self.recipe.sample, self.recipe.detector.side, self.recipe.run.seed)

    def _order(self) -> Order:
        batch, accumulate = self.recipe.schedule.batch, self.recipe.schedule.accumulate
        return Order(
            len(self.parts.train),
            batch,
            self.recipe.run.seed,
            first_step=self.state.step * accumulate,
            rank=self.accelerator.process_index,
            ranks=self.accelerator.num_processes,
        )

    def _after_step(self, losses: Losses) -> None:
        run, step = self.recipe.run, self.state.step
        self.means.add(losses)
        if self.is_first and step % run.log_steps == 0:
            self._log()
        if step % run.evaluate_steps == 0:
            self._evaluate()
        if self.is_first and time.monotonic() - self.saved >= 60 * run.checkpoint_minutes:
            self._save()

    def _log(self) -> None:
        step, seconds = self.state.step, self.state.seconds
        means = self.means.take()
        row = {"step": step, "epoch": self.schedule.epoch(step), "minutes": seconds / 60, **means}
        self.metrics.add(row)
        if self.tensorboard is not None:
            for name, value in means.items():
                self.tensorboard.add_scalar(f"train/{name}", value, step)
        done = self.schedule.progress(step, seconds)
        self.tell(Progress(step, done, seconds, means, step * self.schedule.samples / seconds))

    def _evaluate(self) -> None:
        """Look at validation photos with the averaged weights; keep the weights if they are the best so far."""
        labels = self.parts.held_fraction[: self.recipe.run.evaluate_photos]
        if self.is_first and labels:
            with _evaluating(self._kept()) as detector:
                detect = NetworkDetect(detector, Card(), self.accelerator.device)
                found = [detect(read_image(image.path)) for image in labels]
            threshold = best_threshold(found, labels)
            result = evaluate(found, labels, threshold, average_precision=False)
            self._record(result)
            if result.overall.score > self.best.score:
                self.best = Best(self.state.step, result.overall.score, threshold)
                self._write_weights(result)
            self._draw(labels, found, threshold)
        self.accelerator.wait_for_everyone()

    def _record(self, result: Evaluation) -> None:
        row, step = result.overall, self.state.step
        values = {"score": row.score, "precision": row.precision, "recall": row.recall}
        counts = {"relative_bias": row.relative_bias, "relative_rmse": row.relative_rmse}
        self.evaluations.add({"step": step, "threshold": result.threshold, **values, **counts})
        if self.tensorboard is not None:
            for name, value in {**values, **counts}.items():
                self.tensorboard.add_scalar(f"validation/{name}", value, step)
        note = f"step {step}: score {row.score:.4f} at threshold {result.threshold:.2f}, bias {row.relative_bias:+.1%}"
        done = self.schedule.progress(step, self.state.seconds)
        self.tell(Progress(step, done, self.state.seconds, {}, 0.0, note))

    def _draw(self, labels: Labels, found: Sequence[Detections], threshold: float) -> None:
        draw_curves(self.out / "curves.png", self.metrics, self.evaluations)
        spread = range(0, len(labels), -(-len(labels) // PICTURED))
        chosen: list[LabelledImage] = [labels[index] for index in spread]
        path = self.out / "pictures" / f"step_{self.state.step:06d}.jpg"
        draw_validation(path, chosen, [found[index].above(threshold) for index in spread])

    def _finish(self) -> None:
        if self.state.step % self.recipe.run.evaluate_steps or not self.parts.held_fraction:
            self._evaluate()
        if self.is_first:
            if self.means.count:
                self._log()
            if not self.parts.held_fraction:
                self._write_weights(None)
            self._save()
        if self.tensorboard is not None:
            self.tensorboard.close()
        self.accelerator.wait_for_everyone()

    def _kept(self) -> Detector:
        """Return the detector with the weights that are evaluated and kept."""
        averaged = self.state.averaged
        kept = self.accelerator.unwrap_model(self.state.model) if averaged is None else averaged.module
        return cast("Detector", kept)

    def _write_weights(self, result: Evaluation | None) -> None:
        origin = self.detector.body.origin
        scores = (
            {} if result is None else {"score": result.overall.score, "relative_rmse": result.overall.relative_rmse}
        )
        sources = sorted({image.source for image in self.parts.train})
        card = Card(
            threshold=Card().threshold if result is None else result.threshold,
            scores=scores,
            backbone=origin.weights,
            licence=origin.licence,
            trained_on=f"{len(self.parts.train)} photos of {', '.join(sources)}",
        )
        save_weights(self.out / WEIGHTS_NAME, self._kept(), card)

    def _save(self) -> None:
        save_checkpoint(self.out, self.state, self.best, self.accelerator)
        self.saved = time.monotonic()


def _accelerator(recipe: Recipe) -> Accelerator:
    precision = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}[recipe.run.precision]
    on_gpu = recipe.run.device != "cpu" and torch.cuda.is_available()
    if recipe.run.device.startswith("cuda") and not on_gpu:
        raise RecipeError(f"run.device is {recipe.run.device!r}, but there is no GPU here; set it to auto or cpu")
    return Accelerator(mixed_precision=precision, cpu=not on_gpu)


def _averaged(detector: Detector, decay: float, device: torch.device) -> AveragedModel | None:
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


@contextmanager
def _evaluating(detector: Detector) -> Iterator[Detector]:
    training = detector.training
    try:
        yield detector.eval()
    finally:
        detector.train(training)
