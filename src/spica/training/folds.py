"""Leave one source out: a training for each source, judged on the photos of that source, and one table of all."""

import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from spica.boxes import iou
from spica.errors import AnnotationError
from spica.images import make_folder, read_resized, write_atomically
from spica.labels.annotations import UNKNOWN_SOURCE
from spica.labels.folder import read_labels
from spica.labels.folds import hold_out
from spica.labels.labelled import Labels
from spica.model.checkpoint import NetworkDetect, load_detect
from spica.model.export import export
from spica.prediction.modelfile import read_card
from spica.prediction.openvino_engine import OpenVinoEngine
from spica.prediction.runtime import ModelDetector, detect_file
from spica.scoring.evaluation import evaluate
from spica.training.folder import require_place
from spica.training.judging import EVALUATION_NAME
from spica.training.leaks import require_apart
from spica.training.processes import build_accelerator
from spica.training.recipe import Recipe, read_recipe
from spica.training.run import Tell, train
from spica.training.saving import CHECKPOINT_NAME

FOLDS_TABLE = "folds.csv"
MODEL_NAME = "model.onnx"
RECALL_IOUS = (0.5, 0.75)
MOST_BYTES = 255  # of a file's name, on all usual disks


@dataclass(frozen=True, slots=True)
class FoldRow:
    """How a detector does on a source that it never saw.

    Its threshold was chosen on photos of the other sources; `score_low` and `score_high` are the limits of the 95 %
    bootstrap interval; `recall_50` and `recall_75` say which part of the heads has a proposal of that IoU; `seconds` is
    the median of a photo in the runtime, from its file to boxes.
    """

    source: str
    images: int
    heads: int
    threshold: float
    score: float
    score_low: float
    score_high: float
    ap50: float | None
    recall_50: float
    recall_75: float
    relative_bias: float
    relative_rmse: float
    seconds: float


def train_folds(
    recipe: Path,
    data: Path | Sequence[Path],
    out: Path,
    *,
    resume: bool = False,
    settings: Sequence[str] = (),
    tell: Callable[[str], Tell],
) -> list[FoldRow]:
    """Train once for each source of the labels, with that source held out, into `out`/SOURCE.

    `data` is a folder of labels, or several: only the sources of the first are left out. Photos of unknown source are
    in every training. `out`/folds.csv has a row for each source, and grows with each. With `resume` sources that are
    done are only judged again, and one that was interrupted goes on. `tell` gives for a source what hears of its
    training. Of several processes, only the first one judges, writes the table and returns rows.

    Raises:
        AnnotationError: if there are fewer than two sources, one cannot be the name of a folder, or labels of the other
            folders are of a source that is left out.
        SpicaError: as `train`.
    """
    first, *more = [data] if isinstance(data, Path) else data
    labels, _ = read_labels(first, deep=True)  # as `train` does: a photo that is cut off is not to be judged by
    sources = _sources(first, labels)
    require_apart(sources, {image.source for folder in more for image in read_labels(folder)[0]})
    folds = {source: [*settings, f"validation.sources={json.dumps([source])}"] for source in sources}
    done = [source for source in sources if resume and (out / source / EVALUATION_NAME).exists()]
    for source in done:  # one table is of one recipe
        require_place(out / source, read_recipe(recipe, folds[source]), resume=True)
    make_folder(out)
    rows: list[FoldRow] = []
    for source, own in folds.items():
        folder, chosen = out / source, read_recipe(recipe, own)
        if source not in done:
            begun = resume and (folder / CHECKPOINT_NAME).exists()
            train(recipe, data, folder, resume=begun, settings=own, tell=tell(source))
        accelerator = build_accelerator(chosen.run)
        if accelerator.is_main_process:
            rows.append(_judged(folder, source, chosen, labels))
            write_atomically(out / FOLDS_TABLE, _table(rows))
        accelerator.wait_for_everyone()
    return rows


def proposal_recall(detect: NetworkDetect, labels: Labels, ious: Sequence[float]) -> list[float]:
    """Return for each IoU which part of the heads has a proposal of more than that; NaN without heads."""
    best: list[np.ndarray] = []
    for image in labels:
        if image.heads:
            photo = read_resized(image.path, detect.card.side)
            height, width, _ = photo.pixels.shape
            zoom = np.array([photo.width / width, photo.height / height] * 2, dtype=np.float32)
            best.append(iou(image.boxes, detect.proposals(photo.pixels) * zoom).max(axis=1, initial=0))
    nearest = np.concatenate(best) if best else np.zeros(0)
    return [float((nearest > limit).mean()) if len(nearest) else float("nan") for limit in ious]


def _sources(data: Path, labels: Labels) -> list[str]:
    """Return the sources to be left out, each of which is the name of a folder.

    Raises:
        AnnotationError: if there are fewer than two, or one cannot be the name of a folder.
    """
    sources = sorted({image.source for image in labels if image.heads} - {UNKNOWN_SOURCE, ""})
    if len(sources) < 2:
        raise AnnotationError(f"{data}: has {len(sources)} source with heads, expected two at least to leave one out")
    for source in sources:
        if not _is_folder_name(source):
            raise AnnotationError(
                f"{data}: source {source!r} cannot be the name of the folder of its run, expected a short name without"
                " slashes and other signs; give it another name in the labels"
            )
    return sources


def _is_folder_name(name: str) -> bool:
    """Return whether a text can be the name of a folder on every system, and of no other file in the folder of folds.

    >>> [_is_folder_name(name) for name in ("ethz_1", "day 1", "..", "a/b", "/tmp", "folds.csv")]
    [True, True, False, False, False, False]
    """
    odd = any(ord(letter) < 32 or letter in '/\\:*?"<>|' for letter in name)
    long = len(name.encode(errors="surrogateescape")) > MOST_BYTES
    return not odd and not long and name.strip(". ") != "" and name.lower() != FOLDS_TABLE


def _judged(folder: Path, source: str, recipe: Recipe, labels: Labels) -> FoldRow:
    kept = recipe.validation
    held = hold_out(labels, kept.sources, kept.fraction, kept.seed).held_sources
    export(folder, folder / MODEL_NAME)
    card = read_card(folder / MODEL_NAME)
    detect = ModelDetector(OpenVinoEngine(folder / MODEL_NAME), card, source)
    found, seconds = [], []
    for image in held:
        begun = time.perf_counter()
        found.append(detect_file(detect, image.path))
        seconds.append(time.perf_counter() - begun)
    result = evaluate(found, held, card.threshold)
    row = result.overall
    recall = proposal_recall(load_detect(folder), held, RECALL_IOUS)
    return FoldRow(
        source=source,
        images=row.images,
        heads=row.heads,
        threshold=card.threshold,
        score=row.score,
        score_low=result.interval[0],
        score_high=result.interval[1],
        ap50=row.ap50,
        recall_50=recall[0],
        recall_75=recall[1],
        relative_bias=row.relative_bias,
        relative_rmse=row.relative_rmse,
        seconds=float(np.median(seconds)),
    )


def _table(rows: Sequence[FoldRow]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(FoldRow)])
    writer.writerows([_cell(value) for value in asdict(row).values()] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    return f"{value:.4f}" if isinstance(value, float) else value
