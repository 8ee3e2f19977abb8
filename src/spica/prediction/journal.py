"""The journal of a result folder under way: one line for each photo that is done, so that a kill loses none of them."""

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from spica.boxes import Boxes, no_boxes
from spica.detections import Detections
from spica.errors import OutputError
from spica.images import make_folder, write_atomically

FOLDER = ".unfinished"
_ORDER, _LINES, _LOCK = "order.json", "photos.jsonl", "lock"
_LEFT_BEHIND = ".[0-9]*-[0-9]*-[0-9]*.part"  # what a killed process was writing


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One photo: what was found on it, or why nothing could be.

    `found` is None, and `error` says why, if the photo failed; with both, `error` is about its picture. `flags` are
    those of `spica.prediction.flags`. `stamp` tells the photo's file from a later one of that name.
    """

    name: str
    width: int = 0
    height: int = 0
    found: Detections | None = None
    flags: tuple[str, ...] = ()
    error: str = ""
    stamp: str = ""

    @property
    def boxes(self) -> Boxes:
        """The boxes that were found, none if the photo failed."""
        return no_boxes() if self.found is None else self.found.boxes


def is_unfinished(out: Path) -> bool:
    """Return whether a result folder holds a journal that can be gone on with."""
    return (out / FOLDER / _ORDER).is_file()


class Journal:
    """The photos of one order that are done, on disk; one process at a time writes it."""

    def __init__(self, out: Path, order: dict[str, Any]) -> None:
        """Begin a journal in a result folder, or go on with the one that is there.

        Raises:
            OutputError: if there is one of another order, another process writes it, or it cannot be written.
        """
        self.folder = out / FOLDER
        self._lines = self.folder / _LINES
        make_folder(self.folder)
        self._lock = FileLock(self.folder / _LOCK)
        try:
            self._lock.acquire(timeout=0)
            self._begin(out, order)
        except Timeout as busy:
            raise OutputError(f"{out}: another spica is writing there; wait for it, or name another folder") from busy
        except (OSError, ValueError) as error:
            self._lock.release()
            raise OutputError(
                f"{self.folder}: cannot be gone on with ({error}); change its rights, or delete it to begin again"
            ) from error
        except OutputError:
            self._lock.release()
            raise

    def _begin(self, out: Path, order: dict[str, Any]) -> None:
        if is_unfinished(out):
            _require_same(order, json.loads((self.folder / _ORDER).read_text(encoding="utf-8")), out)
            self._mend()
            for torn in out.rglob(_LEFT_BEHIND):
                torn.unlink(missing_ok=True)
        else:
            write_atomically(self._lines, b"")
            write_atomically(self.folder / _ORDER, json.dumps(order).encode())
        self._stream = self._lines.open("ab", buffering=0)

    def keep(self, names: Sequence[str]) -> None:
        """Forget all photos but those of `names`, and put these into the order of `names`.

        Raises:
            OutputError: if it cannot be written.
        """
        lines = {one.name: _line(one) for one in self}
        self._stream.close()
        write_atomically(self._lines, b"".join(lines[name] for name in names if name in lines))
        self._stream = self._lines.open("ab", buffering=0)

    def add(self, outcome: Outcome) -> None:
        """Write down a photo that is done.

        Raises:
            OutputError: if that fails.
        """
        line = _line(outcome)
        try:
            complete = self._stream.write(line) == len(line)
        except OSError as error:
            raise OutputError(f"{self._lines}: cannot be written ({error.strerror}); is there space?") from error
        if not complete:  # a disk that is full takes a part
            raise OutputError(f"{self._lines}: cannot be written to its end; is there space?")

    def __iter__(self) -> Iterator[Outcome]:
        """Yield what is written down, photo by photo."""
        with self._lines.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):  # a disk that is full took a part of the last one
                    yield _outcome(line)

    def close(self) -> None:
        """Write no more, and let others write."""
        self._stream.close()
        self._lock.release()

    def remove(self) -> None:
        """Delete the journal: the results are complete without it."""
        self.close()
        shutil.rmtree(self.folder)

    def _mend(self) -> None:
        """Cut off a line that was not written to its end."""
        content = self._lines.read_bytes() if self._lines.is_file() else b""
        whole = content.rfind(b"\n") + 1
        with self._lines.open("ab") as stream:
            stream.truncate(whole)


def _require_same(order: dict[str, Any], before: dict[str, Any], out: Path) -> None:
    """Do nothing if a journal is of the order that is to go on.

    Raises:
        OutputError: if it is not.
    """
    order = json.loads(json.dumps(order))
    changed = [key for key in {**order, **before} if order.get(key) != before.get(key)]
    if changed:
        raise OutputError(
            f"{out}: holds unfinished results with another {changed[0]} ({before.get(changed[0])!r} instead of"
            f" {order.get(changed[0])!r}); give the same again to go on with them, or name another folder"
        )


def _line(outcome: Outcome) -> bytes:
    content: dict[str, Any] = {"image": outcome.name, "error": outcome.error, "stamp": outcome.stamp}
    if outcome.found is not None:
        # Exact numbers, in little space.
        rows = np.column_stack([outcome.found.boxes, outcome.found.scores]).astype("<f4")
        content |= {"width": outcome.width, "height": outcome.height, "flags": outcome.flags}
        content |= {"found": b64encode(rows.tobytes()).decode(), "capped": outcome.found.capped}
    return json.dumps(content).encode() + b"\n"


def _outcome(line: bytes) -> Outcome:
    content = json.loads(line)
    if "found" not in content:
        return Outcome(content["image"], error=content["error"], stamp=content["stamp"])
    rows = np.frombuffer(b64decode(content["found"]), dtype="<f4").reshape(-1, 5).astype(np.float32)
    found = Detections(rows[:, :4], rows[:, 4], content["capped"])
    size = content["width"], content["height"]
    return Outcome(content["image"], *size, found, tuple(content["flags"]), content["error"], content["stamp"])
