"""The tables and pictures of a result folder, written photo by photo."""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spica.detections import Detections, Image
from spica.drawing import draw_detections
from spica.errors import SpicaError
from spica.images import make_folder, mark_drawn, write_image, written_atomically

PICTURES = "pictures"
CAP = "cap"  # in the column flags of counts.csv


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One photo: what was found on it, or why nothing could be.

    `photo` and `found` are None, and `error` says why, if the photo failed; with both, `error` is about its picture.
    `capped` says that the detector gave as many boxes as it can, so that there may be more heads.
    """

    name: str
    photo: Image | None
    found: Detections | None
    error: str = ""
    capped: bool = False


@dataclass(slots=True)
class Results:
    """The tables of a result folder, open until `stack` closes; they appear under their names only then."""

    stack: ExitStack
    out: Path
    pictures: bool
    _open: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows("counts", "image", "heads", "width", "height", "flags")
        self._rows("detections", "image", "left", "top", "right", "bottom", "score")

    def add(self, outcome: Outcome) -> Outcome:
        """Write the rows and the picture of one photo; return the outcome, with an error if there is no picture."""
        if outcome.photo is not None and outcome.found is not None:
            self._add_counted(outcome.name, outcome.photo, outcome.found, CAP if outcome.capped else "")
            if self.pictures:
                outcome = replace(outcome, error=self._draw(outcome.name, outcome.photo, outcome.found))
        if outcome.error:
            self._rows("errors", "image", "error").writerow([outcome.name, outcome.error])
        return outcome

    def _add_counted(self, name: str, photo: Image, found: Detections, flags: str) -> None:
        height, width, _ = photo.shape
        self._rows("counts").writerow([name, len(found), width, height, flags])
        boxes, scores = found.boxes.tolist(), found.scores.tolist()
        self._rows("detections").writerows(
            # A hundredth of a pixel is far below what boxes can be trusted to.
            [name, *(f"{edge:.2f}" for edge in box), f"{score:.5f}"]
            for box, score in zip(boxes, scores, strict=True)
        )

    def _draw(self, name: str, photo: Image, found: Detections) -> str:
        """Write the picture of one photo; return what went wrong, "" if nothing did."""
        folder = self.out / PICTURES
        if not folder.exists():
            make_folder(folder)
            mark_drawn(folder)
        picture = folder / picture_name(name)
        try:
            make_folder(picture.parent)
            write_image(picture, draw_detections(photo, found))
        except SpicaError as broken:  # a name that is too long for the disk, or a photo too wide for a JPEG
            return f"counted, but there is no picture: {broken}".replace("\n", " ")
        return ""

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
