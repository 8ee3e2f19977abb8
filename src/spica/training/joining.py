"""Several data sets to train on as one: photos of the same name are told apart."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from spica.errors import AnnotationError
from spica.labels.copies import copies_among
from spica.labels.labelled import LabelledImage, Labels


def told_apart(folders: Sequence[Path], labels: Sequence[Labels]) -> tuple[list[Labels], list[str]]:
    """Return the labels of several folders so that no two share an id, and a line for each folder of which some did.

    Cameras number from IMG_0001 again. Where a photo has an id of an earlier folder, the name of its own folder is put
    before it: labels/IMG_0001. Ids of the first folder stay as they are.

    Raises:
        AnnotationError: if such a photo is no other one, but in an earlier folder already.
    """
    joined: list[Labels] = []
    notes: list[str] = []
    for folder, own in zip(folders, labels, strict=True):
        before = [image for one in joined for image in one]
        taken = {image.id for image in before}
        again = [image for image in own if image.id in taken]
        if again:
            _require_other(before, again)
            name = _free_name(folder, {*taken, *(image.id for image in own)})
            notes.append(
                f"{folder}: {len(again):,} photo(s) have the id of another photo, so this run puts {name}/ before it: "
                f"{again[0].id} is {name}/{again[0].id}"
            )
            joined.append(tuple(replace(one, id=f"{name}/{one.id}") if one.id in taken else one for one in own))
        else:
            joined.append(own)
    return joined, notes


def _require_other(before: Sequence[LabelledImage], added: Sequence[LabelledImage]) -> None:
    """Do nothing if no photo that is added is there before.

    Raises:
        AnnotationError: if one is, whatever it is called there: it might be held out to judge by.
    """
    photos = [image.path for image in (*before, *added)]
    groups = copies_among(dict(enumerate(photos)))
    same = [(group[0], one) for group in groups for one in group if group[0] < len(before) <= one]
    if same:
        first, second = (photos[index] for index in same[0])
        more = f" (and {len(same) - 1:,} more are)" if len(same) > 1 else ""
        raise AnnotationError(
            f"{second}: is the same photo as {first}{more}, expected each photo in one data set; leave it out of one"
        )


def _free_name(folder: Path, taken: set[str]) -> str:
    """Return the name of a folder, or of a label file without its ending; with a number if an id begins with it."""
    here = folder.resolve()
    name = (here.name if here.is_dir() else here.stem) or "added"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(name for name in names if not any(one.startswith(f"{name}/") for one in taken))
