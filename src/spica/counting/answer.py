"""The folder of an answer: which files are of it and how it was measured; an earlier answer makes room for it."""

import json
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
    """Counts that are to be written into a folder: `files` are their names there, `inputs` what they are made of."""

    folder: Path
    files: tuple[str, ...]
    inputs: tuple[Path, ...] = ()

    def check(self) -> None:
        """Do nothing if the files can be written: those of earlier counts may be replaced, nothing else.

        Raises:
            OutputError: if an input, or a file that is not of earlier counts, would be overwritten.
        """
        for path in self.inputs:
            if path.resolve() in {(self.folder / name).resolve() for name in self.files}:
                raise OutputError(f"{path}: would be overwritten by the counts; name another folder with --out")
        foreign = [name for name in self.files if name not in self._earlier() and (self.folder / name).exists()]
        if foreign:
            raise OutputError(
                f"{self.folder}: holds {', '.join(foreign)}, which spica count did not write there; name another "
                "folder with --out"
            )

    def begin(self, measures: Mapping[str, object]) -> None:
        """Delete the files of earlier counts that are not written again, and write down how these are measured.

        Raises:
            OutputError: as `check`, or if the folder cannot be written.
        """
        self.check()
        stale = [self.folder / name for name in self._earlier() if name not in self.files]
        make_folder(self.folder)
        content = {"spica": spica.__version__, **measures, "files": self.files}
        write_atomically(self.folder / RECORD, (json.dumps(content, indent=2, default=str) + "\n").encode())
        for path in stale:
            _delete(path)

    def _earlier(self) -> tuple[str, ...]:
        """Return the names of the files of earlier counts."""
        try:
            content: Any = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            return tuple(name for name in map(str, content["files"]) if Path(name).name == name)
        except (OSError, ValueError, KeyError, TypeError):
            return ()


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
