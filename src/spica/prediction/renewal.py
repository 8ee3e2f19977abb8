"""Finished results whose photos are no longer the same: what still holds is kept, the rest looked at again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from spica.errors import SubmissionError
from spica.images import name_photos, write_atomically
from spica.prediction.folder import MANIFEST, STAMPS, Order, stamp_of
from spica.prediction.journal import Journal
from spica.prediction.reading import read_results


def stamps_of(paths: Sequence[Path]) -> dict[str, str]:
    """Return what tells each photo at `paths` from a later one of its name, by name.

    Raises:
        ImageError: if there is no photo, or a path does not exist.
    """
    return {name: stamp_of(path) for name, path in name_photos(paths).items()}


def write_stamps(folder: Path, stamps: Mapping[str, str]) -> None:
    """Write down of which photos results are; take the stamps before they are looked at.

    Raises:
        OutputError: if that fails.
    """
    write_atomically(folder / STAMPS, (json.dumps(stamps, indent=2) + "\n").encode())


def read_stamps(folder: Path) -> dict[str, str]:
    """Return of which photos results are; nothing if that was not written down.

    Raises:
        SubmissionError: if the file is damaged.
    """
    file = folder / STAMPS
    try:
        return {name: str(stamp) for name, stamp in json.loads(file.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as broken:
        raise SubmissionError(f"{file}: is damaged ({broken}); name another folder") from broken


def reopen(order: Order) -> None:
    """Make finished results of an order unfinished: predicting again looks at what is new or changed.

    Raises:
        OutputError: if the folder cannot be written.
        SubmissionError: if the results are damaged.
    """
    photos, stamps = read_results(order.out).photos, read_stamps(order.out)
    journal = Journal(order.out, order.description())
    try:
        journal.keep([])  # nothing of a reopening that was killed
        for photo in photos:
            journal.add(replace(photo, stamp=stamps.get(photo.name, "")))
    finally:
        journal.close()
    (order.out / MANIFEST).unlink()  # last: until then they are finished
