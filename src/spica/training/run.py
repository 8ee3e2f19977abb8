"""A run: from a recipe and labels to a folder with weights, scores, curves and pictures."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar, cast

import torch

from spica.detections import Detections
from spica.errors import AnnotationError
from spica.labels.folder import read_labels
from spica.labels.folds import Parts, hold_out
from spica.labels.labelled import LabelledImage, Labels, require_distinct_ids
from spica.labels.problems import Problem
from spica.model.checkpoint import WEIGHTS_NAME, NetworkDetect, load_weights, save_weights, started_from
from spica.model.detector import Detector
from spica.model.teaching import Teachers
from spica.prediction.card import Card
from spica.prediction.runtime import detect_file
from spica.prediction.shipped import weights_path
from spica.scoring.curves import best_threshold, unbiased_threshold
from spica.scoring.evaluation import Evaluation, evaluate
from spica.training.averaging import averaged_weights, blended
from spica.training.folder import begin_folder, require_place
from spica.training.journal import Journal, Means, draw_curves, draw_validation, tensorboard_writer
from spica.training.judging import judge
from spica.training.leaks import flattered, require_apart, require_unseen
from spica.training.loop import Learning, Losses, State, train_steps
from spica.training.processes import build_accelerator
from spica.training.recipe import Recipe, read_recipe
from spica.training.samples import GIGABYTE, BatchOrder, PhotoCache, Samples, batches, head_sides
from spica.training.saving import Best, load_checkpoint, save_checkpoint
from spica.training.schedule import Schedule, build_optimiser
from spica.training.stopping import stopping

MOST_NOTES = 3  # problems of the labels told one by one
_CHOOSING = {"score": best_threshold, "counts": unbiased_threshold}
PICTURED = 4  # validation photos drawn at each evaluation


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
    data: Path | Sequence[Path],
    out: Path,
    *,
    resume: bool = False,
    settings: Sequence[str] = (),
    tell: Tell = lambda _progress: None,
) -> dict[str, Evaluation]:
    """Train a detector by a recipe on labelled photos, into the run folder `out`.

    `data` is a folder of labels, or several: parts of the first are held out as the recipe says, the others are all
    trained on. Returns the evaluations of the best weights on the parts held out; of several processes, only the first
    one does. Problems of the labels are told before the first step.

    Raises:
        SpicaError: for a recipe, labels or photos that cannot be used, or a training that cannot go on.
    """
    chosen = read_recipe(recipe, settings)
    labels, *more = (_read(folder, tell) for folder in ([data] if isinstance(data, Path) else data))
    parts = _parts(labels, tuple(image for one in more for image in one), chosen)
    require_place(out, chosen, resume=resume)
    before = [weights_path(name) for name in (chosen.start, *chosen.teacher.weights) if name]
    for note in flattered(before, (*parts.held_sources, *parts.held_fraction)):
        tell(Progress(0, 0.0, 0.0, {}, 0.0, note))
    run = _Run(chosen, parts, out, resume=resume, tell=tell, name=recipe.stem)
    run.train()
    return judge(out, parts, run.accelerator.device) if run.is_first else {}


def _read(data: Path, tell: Tell) -> Labels:
    """Return the sound labels of a data set, and tell what is wrong with the others."""
    labels, problems = read_labels(data, deep=True)  # a photo that cannot be decoded shall not end an epoch
    for note in _notes(problems, data):
        tell(Progress(0, 0.0, 0.0, {}, 0.0, note))
    return labels


def _notes(problems: Sequence[Problem], data: Path) -> list[str]:
    shown = [problem.line() for problem in problems[:MOST_NOTES]]
    more = len(problems) - len(shown)
    return [*shown, f"{more} more problems of the labels: see spica data check {data}"] if more else shown


def _parts(labels: Labels, more: Labels, recipe: Recipe) -> Parts:
    """Return what to train on and what to judge by; `more` labels are all trained on.

    Raises:
        AnnotationError: if there is no head to train on, nothing to validate by though that is asked for, two images
            have the same id, or `more` has photos, or photos of a source, that are held out.
    """
    kept = recipe.validation
    require_distinct_ids((*labels, *more))
    require_apart(kept.sources, (image.source for image in more))
    parts = hold_out(labels, kept.sources, kept.fraction, kept.seed)
    require_unseen((*parts.held_sources, *parts.held_fraction), more)
    if kept.fraction and not parts.held_fraction:
        raise AnnotationError(
            f"validation.fraction = {kept.fraction:g} is less than half a photo of each source, so that none chooses "
            "weights and threshold; set a larger one, or 0 to keep the last weights"
        )
    parts = parts._replace(train=(*parts.train, *more))
    if not any(image.heads for image in parts.train):
        raise AnnotationError(f"no labelled heads to train on: {len(labels)} photos, {len(parts.train)} for training")
    return parts


class _Run:
    """A training under way: its state, and what is written when."""

    def __init__(self, recipe: Recipe, parts: Parts, out: Path, *, resume: bool, tell: Tell, name: str) -> None:
        self.recipe, self.parts, self.out, self.tell, self.name = recipe, parts, out, tell, name
        if recipe.run.threads:
            torch.set_num_threads(recipe.run.threads)
        torch.manual_seed(recipe.run.seed)
        self.accelerator = build_accelerator(recipe.run)
        self.is_first = self.accelerator.is_main_process
        self.before: dict[str, torch.Tensor] = {}  # weights to share with those that are kept
        self.detector, self.origin = self._new_detector()
        self.teachers, self.taught_by = self._new_teachers()
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
        self._open()

    def train(self) -> None:
        """Train to the end of the schedule.

        Raises:
            KeyboardInterrupt: after what was learnt so far has been saved.
        """
        data = batches(self._samples(), self._order(), self.recipe.run.workers)
        learning = Learning(self.recipe.optimiser.clip, self.teachers)
        with stopping() as stop:

            def after(losses: Losses) -> None:
                self._after_step(losses)
                if stop.is_set():
                    if self.is_first:
                        self._save()
                    raise KeyboardInterrupt

            train_steps(self.state, data, self.schedule, learning, self.accelerator, after)
        self._finish()

    def _open(self) -> None:
        """Begin the run folder once everything is built: a recipe that does not work leaves none behind."""
        self.accelerator.wait_for_everyone()  # all processes have looked whether the folder is free
        if self.is_first:
            begin_folder(self.out, self.recipe, self.parts)
        self.accelerator.wait_for_everyone()

    def _new_detector(self) -> tuple[Detector, Card]:
        """Return the detector to train, and a card of what its weights were before."""
        if not self.recipe.start:
            detector = Detector(self.recipe.detector)
            card = Card(backbone=detector.body.origin.weights, licence=detector.body.origin.licence)
        else:
            detector, card, new = started_from(weights_path(self.recipe.start), self.recipe.detector)
            if new:
                note = f"start: {len(new)} tensors do not fit and begin at random: {', '.join(new)}"
                self.tell(Progress(0, 0.0, 0.0, {}, 0.0, note))
            if self.recipe.run.start_share:
                weights = detector.state_dict().items()
                self.before = {name: weight.clone() for name, weight in weights if name not in new}
        return detector.to(memory_format=torch.channels_last), card

    def _new_teachers(self) -> tuple[Teachers | None, list[Card]]:
        """Return the detectors to learn from beside the labels, and their cards."""
        asked = self.recipe.teacher
        loaded = [load_weights(weights_path(name)) for name in asked.weights]
        if not loaded:
            return None, []
        device = self.accelerator.device
        detectors = [detector.to(device).to(memory_format=torch.channels_last) for detector, _ in loaded]
        return Teachers(detectors, asked.share), [card for _, card in loaded]

    def _new_state(self) -> State:
        optimiser = build_optimiser(self.detector, self.recipe.optimiser)
        averaged = averaged_weights(self.detector, self.recipe.run.averaging, self.accelerator.device)
        model, optimiser = self.accelerator.prepare(self.detector, optimiser)
        return State(model, averaged, optimiser, self.recipe.run.seed)

    def _samples(self) -> Samples:
        budget = self.recipe.run.cache_gigabytes * GIGABYTE / self.accelerator.num_processes
        cache = PhotoCache(self.parts.train, budget)
        return Samples(cache, self.recipe.sample, self.recipe.detector.side, self.recipe.run.seed)

    def _order(self) -> BatchOrder:
        batch, accumulate = self.recipe.schedule.batch, self.recipe.schedule.accumulate
        return BatchOrder(
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
        evaluated = step % run.evaluate_steps == 0
        if evaluated:
            self._evaluate()
        # Weights are never there without the checkpoint that goes on from them.
        if self.is_first and (evaluated or time.monotonic() - self.saved >= 60 * run.checkpoint_minutes):
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
        labels = _spread(self.parts.held_fraction, self.recipe.run.evaluate_photos)
        if self.is_first and labels:
            found = self._found(labels, Card(side=self.recipe.detector.side))
            threshold = _CHOOSING[self.recipe.validation.threshold](found, labels)
            result = evaluate(found, labels, threshold, average_precision=False)
            self._record(result)
            if result.overall.score > self.best.score:
                self.best = Best(self.state.step, result.overall.score, threshold)
                self._write_weights(threshold)
            self._draw(labels, found, threshold)
        self.accelerator.wait_for_everyone()

    def _found(self, labels: Sequence[LabelledImage], card: Card) -> list[Detections]:
        """Return what is found on photos with the weights that are kept."""
        with _evaluating(self._kept()) as detector:
            detect = NetworkDetect(detector, card, self.accelerator.device)
            return [detect_file(detect, image.path) for image in labels]

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

    def _draw(self, labels: Sequence[LabelledImage], found: Sequence[Detections], threshold: float) -> None:
        draw_curves(self.out / "curves.png", self.metrics, self.evaluations)
        pictured = _spread(list(zip(labels, found, strict=True)), PICTURED)
        path = self.out / "pictures" / f"step_{self.state.step:06d}.jpg"
        draw_validation(path, [image for image, _ in pictured], [boxes.above(threshold) for _, boxes in pictured])

    def _finish(self) -> None:
        if self.state.step % self.recipe.run.evaluate_steps or not self.parts.held_fraction:
            self._evaluate()
        if self.is_first:
            if self.means.count:
                self._log()
            if not self.parts.held_fraction:
                self._write_weights(self._threshold())
            self._save()
        if self.tensorboard is not None:
            self.tensorboard.close()
        self.accelerator.wait_for_everyone()

    def _threshold(self) -> float:
        """Return the threshold where no photo was held out to choose one."""
        chosen, labels = self.recipe.validation, self.parts.train
        if chosen.threshold_on == "held":
            return self.origin.threshold
        return _CHOOSING[chosen.threshold](self._found(labels, self._card(self.origin.threshold)), labels)

    def _kept(self) -> Detector:
        """Return the detector with the weights that are evaluated and kept."""
        averaged = self.state.averaged
        kept = self.accelerator.unwrap_model(self.state.model) if averaged is None else averaged.module
        detector = cast("Detector", kept)
        return blended(detector, self.before, self.recipe.run.start_share) if self.before else detector

    def _write_weights(self, threshold: float) -> None:
        save_weights(self.out / WEIGHTS_NAME, self._kept(), self._card(threshold))

    def _card(self, threshold: float) -> Card:
        labels, data = self.parts.train, self.recipe.data
        sources = ", ".join(sorted({image.source for image in labels}))
        trained_on = f"{data.name}: {len(labels)} photos of {sources}".removeprefix(": ")
        taught = "".join(f"; taught by a detector of {card.trained_on}" for card in self.taught_by)
        return Card(
            threshold=threshold,
            backbone=self.origin.backbone,
            licence=self.origin.licence,
            trained_on="; before that ".join(filter(None, [trained_on, self.origin.trained_on])) + taught,
            data_licence=data.licence,
            recipe=self.name,
            side=self.recipe.detector.side,
            head_sides=self.recipe.sample.head_sides or head_sides(labels, self.recipe.detector.side),
            date=f"{date.today():%Y-%m-%d}",
        )

    def _save(self) -> None:
        save_checkpoint(self.out, self.state, self.best, self.accelerator)
        self.saved = time.monotonic()


T = TypeVar("T")


def _spread(values: Sequence[T], most: int) -> Sequence[T]:
    """Return at most `most` of the values, evenly spread, or all for 0; labels come sorted by source."""
    if not most or len(values) <= most:
        return values
    return [values[index * len(values) // most] for index in range(most)]


@contextmanager
def _evaluating(detector: Detector) -> Iterator[Detector]:
    training = detector.training
    try:
        yield detector.eval()
    finally:
        detector.train(training)
