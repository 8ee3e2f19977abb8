"""parts.csv: which part each photo had in a training."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from spica.errors import AnnotationError
from spica.labels.folds import Parts
from spica.labels.labelled import Labels
from spica.labels.table import read_table, write_table

Part: TypeAlias = Literal["train", "validation", "held_out"]

PARTS_TABLE = "parts.csv"
_COLUMNS = ("image_id", "part")


def parts_file(weights: Path) -> Path:
    """Return the table of parts beside weights, a run folder or a file in it; it may not be there."""
    return (weights if weights.is_dir() else weights.parent) / PARTS_TABLE


def write_parts(file: Path, parts: Parts) -> None:
    """Write the part of each image of a training as CSV; the inverse of `read_parts`.

    Raises:
        OutputError: if the file cannot be written.
    """
    named: dict[Part, Labels] = {
        "train": parts.train,
        "validation": parts.held_fraction,
        "held_out": parts.held_sources,
    }
    write_table(file, _COLUMNS, ((image.id, part) for part, labels in named.items() for image in labels))


def read_parts(file: Path) -> dict[str, Part]:
    """Return the part of each image that a training used, by its id.

    "train" was trained on, "validation" chose the weights and the threshold, "held_out" had no influence.

    Raises:
        AnnotationError: if the file cannot be read, a row makes no sense, or an image is there twice.
    """
    table = read_table(file, _COLUMNS)
    if table.problems:
        raise AnnotationError(table.problems[0].line())
    parts: dict[str, Part] = {}
    for place, row in table.rows:
        name, part = row["image_id"], row["part"]
        if not name or name in parts:
            raise AnnotationError(f"{place}: image_id {name!r} is empty or there twice; delete the row")
        if part not in get_args(Part):
            raise AnnotationError(f"{place}: part is {part!r}, expected one of {', '.join(get_args(Part))}; mend it")
        parts[name] = cast("Part", part)
    return parts


def exposure(ids: Iterable[str], parts: Mapping[str, Part]) -> str:
    """Return in words how many of the images a training has seen.

    >>> exposure(["a", "b", "c"], {"a": "train", "b": "validation", "c": "held_out"})
    '1 of the 3 photos was trained on, 1 chose weights and threshold'
    """
    names = list(ids)
    counts = Counter(parts.get(name) for name in names)
    was = "was" if counts["train"] == 1 else "were"
    return (
        f"{counts['train']:,} of the {len(names):,} photos {was} trained on, "
        f"{counts['validation']:,} chose weights and threshold"
    )
