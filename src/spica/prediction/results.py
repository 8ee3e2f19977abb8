"""The tables and pictures of a result folder, written photo by photo."""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spica.detections import Detections, Image
from spica.drawing import draw_detections
from spica.errors import OutputError
from spica.images import write_image, written_atomically

PICTURES = "pictures"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One photo: what was found on it, or why nothing could be.

    `photo` and `found` are None, and `error` says why, if the photo failed.
    """

    name: str
    photo: Image | None
    found: Detections | None
    error: str = ""


@dataclass(slots=True)
class Results:
    """The tables of a result folder, open until `stack` closes; they appear under their names only then."""

    stack: ExitStack
    out: Path
    pictures: bool
    _open: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows("counts", "image", "heads", "width", "height")
        self._rows("detections", "image", "left", "top", "right", "bottom", "score")

    def add(self, outcome: Outcome) -> None:
        """Write the rows and the picture of one photo."""
        if outcome.photo is None or outcome.found is None:
            self._rows("errors", "image", "error").writerow([outcome.name, outcome.error])
            return
        height, width, _ = outcome.photo.shape
        self._rows("counts").writerow([outcome.name, len(outcome.found), width, height])
        boxes, scores = outcome.found.boxes.tolist(), outcome.found.scores.tolist()
        self._rows("detections").writerows(
            # A hundredth of a pixel is far below what boxes can be trusted to.
            [outcome.name, *(f"{edge:.2f}" for edge in box), f"{score:.5f}"]
            for box, score in zip(boxes, scores, strict=True)
        )
        if self.pictures:
            picture = self.out / PICTURES / picture_name(outcome.name)
            make_folder(picture.parent)
            write_image(picture, draw_detections(outcome.photo, outcome.found))

    def _rows(self, name: str, *header: str) -> Any:
        """Return the writer of a table, opened with its header when first asked for."""
        if name not in self._open:
            self._open[name] = self.stack.enter_context(_table(self.out / f"{name}.csv"))
            self._open[name].writerow(header)
        return self._open[name]


@contextmanager
def _table(path: Path) -> Iterator[Any]:
    """Give the writer of a CSV file that appears under its name when the block ends well."""
    with written_atomically(path) as stream:
        # File names that are not text are written with their odd bytes as \xNN.
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", newline="")
        try:
            yield csv.writer(text, lineterminator="\n")
        finally:
            text.detach()  # flushes, and leaves the stream to who opened it


def picture_name(name: str) -> str:
    """Return the name of a photo's picture: the photo's own if it is a JPEG, else with .jpg behind."""
    return name if name.lower().endswith((".jpg", ".jpeg")) else f"{name}.jpg"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: if that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror}); name a folder that you may write to"
        ) from error
