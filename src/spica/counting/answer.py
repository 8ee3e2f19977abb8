"""The folder of an answer: which files are of it and how it was measured; an earlier answer makes room for it."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spica
from spica.errors import OutputError
from spica.images import make_folder, write_atomically

COUNTS, PLOTS = "counts.csv", "plots.csv"
RECORD = "count.json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Counts that are to be written into a folder: `files` are their names there, `inputs` what they are made of.

    A file that is to lie elsewhere has its whole path for a name: `named_in`.
    """

    folder: Path
    files: tuple[str, ...]
    inputs: tuple[Path, ...] = ()

    def check(self) -> None:
        """Do nothing if the files can be written: those of earlier counts may be replaced, nothing else.

        Raises:
            OutputError: if an input, or a file that is not of earlier counts, would be overwritten, or a folder is not
                there.
        """
        for path in self.inputs:
            if path.resolve() in {(self.folder / name).resolve() for name in self.files}:
                raise OutputError(f"{path}: would be overwritten by the counts; name another folder with --out")
        earlier = self._earlier()
        foreign = [name for name in self.files if name not in earlier and os.path.lexists(self.folder / name)]
        for path in map(Path, self.files):
            if path.is_absolute() and not path.parent.is_dir():
                raise OutputError(f"{path}: {path.parent} is not a folder; make it first")
            if path.is_absolute() and str(path) in foreign:
                raise OutputError(f"{path}: is there, and not of the counts in {self.folder}; name another file")
        if foreign:
            raise OutputError(
                f"{self.folder}: holds {', '.join(foreign)}, which spica count did not write there; name another "
                "folder with --out"
            )

    def begin(self, measures: Mapping[str, object]) -> None:
        """Delete the files of earlier counts that are not written again, and write down how these are measured.

        Files that lie elsewhere stay: what a record says must not delete anything outside of its folder.

        Raises:
            OutputError: as `check`, or if the folder cannot be written.
        """
        self.check()
        old = [name for name in self._earlier() if name not in self.files and Path(name).name == name]
        make_folder(self.folder)
        content = {"spica": spica.__version__, **measures, "files": self.files}
        write_atomically(self.folder / RECORD, (json.dumps(content, indent=2, default=str) + "\n").encode())
        for name in old:
            _delete(self.folder / name)

    def _earlier(self) -> tuple[str, ...]:
        """Return the names of the files of earlier counts."""
        try:
            content: Any = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            return tuple(map(str, content["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            return ()


def named_in(folder: Path, file: Path) -> str:
    """Return the name of a file in an answer: its own if it lies in the folder, else its whole path."""
    place = file.parent.resolve() / file.name
    return file.name if place.parent == folder.resolve() else str(place)


def _delete(path: Path) -> None:
    """Delete a file, or a folder of pictures.

    Raises:
        OutputError: if that is not possible.
    """
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: is of earlier counts and cannot be deleted ({error.strerror})") from error
