"""What must not be trained on: photos of fields that are to judge."""

from collections.abc import Iterable
from pathlib import Path

from spica.errors import AnnotationError
from spica.labels.annotations import UNKNOWN_SOURCE
from spica.labels.copies import copies_among
from spica.labels.labelled import Labels
from spica.labels.parts import parts_file, read_parts


def require_apart(held: Iterable[str], added: Iterable[str]) -> None:
    """Do nothing if none of the sources `held` out is among those of labels that are `added` to train on.

    Photos of unknown source, which is "unknown" or empty, may be of any field, so they say nothing.

    Raises:
        AnnotationError: if one is.
    """
    if both := sorted(set(held) & set(added) - {UNKNOWN_SOURCE, ""}):
        raise AnnotationError(
            f"photos of the source {both[0]!r} are added to train on, expected none since it is held out to judge by;"
            " leave them out of the added labels, or do not hold that source out"
        )


def require_unseen(held: Labels, added: Labels) -> None:
    """Do nothing if no file of a photo that is `held` out is one of those `added` to train on, whatever it is called.

    Raises:
        AnnotationError: if one is, to the last byte; it names both.
    """
    photos = [image.path for image in (*held, *added)]
    groups = copies_among(dict(enumerate(photos)))
    same = [(group[0], one) for group in groups for one in group if group[0] < len(held) <= one]
    if same:
        first, second = (photos[index] for index in same[0])
        more = f" ({len(same) - 1:,} more are, too)" if len(same) > 1 else ""
        raise AnnotationError(
            f"{second}: is added to train on, and {first}, which is held out to judge by, is the same photo{more}; "
            "leave it out of the added labels"
        )


def flattered(weights: Iterable[Path], held: Labels) -> list[str]:
    """Return a line for each of the weights to learn from that were trained on photos that are held out now.

    Only those in a run folder say what they were trained on.

    Raises:
        AnnotationError: if a table of parts cannot be read.
    """
    lines = []
    for file in filter(Path.is_file, map(parts_file, weights)):
        parts = read_parts(file)
        if seen := sum(parts.get(image.id) == "train" for image in held):
            lines.append(f"{file}: of the {len(held):,} photos held out {seen:,} were trained on: scores will flatter")
    return lines
