"""What must not be trained on: photos of fields that are to judge."""

from collections.abc import Iterable
from pathlib import Path

from spica.errors import AnnotationError
from spica.labels.annotations import UNKNOWN_SOURCE
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
