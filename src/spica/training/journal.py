"""The journal of a run: metrics.csv, evaluations.csv, curves, TensorBoard, and pictures to look at."""

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib.figure

from spica.detections import Detections
from spica.drawing import contact_sheet, draw_evaluation
from spica.images import read_image, write_atomically, write_image
from spica.labels.labelled import LabelledImage
from spica.scoring.pairing import paired_heads

Row = dict[str, float]
PICTURE_SIDE = 640  # pixels of each photo on the sheet: frames of single heads can be told apart


class Journal:
    """Rows of numbers by step, written anew and whole each time, so that a kill leaves a readable file."""

    def __init__(self, path: Path, *, last_step: int | None = None) -> None:
        """Go on with the file that is there up to `last_step`, or begin a new one (None)."""
        self.path = path
        self.rows: list[Row] = []
        if last_step is not None and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
            self.rows = [row for row in rows if row["step"] <= last_step]

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row, in place of one of the same step, and write the file."""
        self.rows = [*(kept for kept in self.rows if kept["step"] != row["step"]), dict(row)]
        columns = list(dict.fromkeys(key for kept in self.rows for key in kept))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" for key, value in kept.items()} for kept in self.rows)
        write_atomically(self.path, text.getvalue().encode())

    def column(self, name: str) -> tuple[list[float], list[float]]:
        """Return steps and values of a column, where it has values."""
        rows = [row for row in self.rows if name in row]
        return [row["step"] for row in rows], [row[name] for row in rows]


class Means:
    """Means of named numbers since they were last taken."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, values: Mapping[str, float]) -> None:
        """Add one set of values."""
        self.count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """Return the means and begin anew."""
        means = {name: total / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


def draw_curves(path: Path, metrics: Journal, evaluations: Journal) -> None:
    """Draw losses and validation scores against steps as a PNG."""
    figure = matplotlib.figure.Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in [key for key in (metrics.rows[-1] if metrics.rows else {}) if key.startswith("loss")]:
        left.plot(*metrics.column(name), label=name)
    for name in ("score", "precision", "recall"):
        right.plot(*evaluations.column(name), marker=".", label=name)
    left.set(xlabel="step", ylabel="loss", yscale="log", title="Training losses")
    right.set(xlabel="step", ylim=(0, 1), title="Validation")
    for axes in (left, right):
        if axes.lines:
            axes.legend()
        axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_atomically(path, buffer.getvalue())


def draw_validation(path: Path, images: Sequence[LabelledImage], found: Sequence[Detections]) -> None:
    """Write one JPEG that shows hits, misses and false boxes on some validation photos."""
    photos = [
        draw_evaluation(read_image(image.path), detections.boxes, image.boxes, paired_heads(detections, image.boxes))
        for image, detections in zip(images, found, strict=True)
    ]
    write_image(path, contact_sheet(photos, columns=2, side=PICTURE_SIDE))


def tensorboard_writer(folder: Path) -> Any | None:
    """Return a TensorBoard writer, or None where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "tensorboard"))
