"""Folds: labels divided for training and honest validation, whole fields together."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from spica.errors import AnnotationError, OutputError
from spica.labels.annotations import whole_number
from spica.labels.labelled import LabelledImage, Labels, require_distinct_ids
from spica.labels.table import may_replace, read_table, write_table

By: TypeAlias = Literal["source", "session", "random"]
Fold: TypeAlias = tuple[str, ...]

FLATTERS = (
    "a random split flatters: photos of one field session look alike, so each fold has seen the others' fields; "
    "scores on new fields will be lower. Split by source for an honest score"
)

_COLUMNS = ("image_id", "fold")


class Parts(NamedTuple):
    """What `hold_out` makes of labels: to train on, fields never seen, and photos of fields that were seen."""

    train: Labels
    held_sources: Labels
    held_fraction: Labels


def split(labels: Labels, by: By = "source", folds: int = 5, seed: int = 0) -> list[Fold]:
    """Return the ids of each fold; every image is in exactly one, in the order of `labels`.

    "source" and "session" keep all photos of a source, or of a session of a source, in one fold, and balance the
    folds by their numbers of photos and heads. "random" deals the photos of each source out evenly; see `caution`.
    The same labels, in any order, and the same seed give the same folds.

    Raises:
        AnnotationError: if there are fewer groups than folds, or two images have the same id.
        ValueError: if `folds` is under 2.
    """
    if folds < 2:
        raise ValueError(f"folds is {folds}, expected at least 2")
    require_distinct_ids(labels)
    groups = _groups(labels, _GROUPINGS[by])
    if len(groups) < folds:
        raise AnnotationError(
            f"{len(groups)} group{'' if len(groups) == 1 else 's'} by {by} cannot make {folds} folds, expected at "
            f"least one each; {_remedy(labels, len(groups), folds)}"
        )
    order = _shuffled(sorted(groups), seed)
    placed = _dealt(order, folds) if by == "random" else _balanced(order, groups, folds)
    return [tuple(image.id for image in labels if placed[_GROUPINGS[by](image)] == fold) for fold in range(folds)]


def caution(by: By) -> str:
    """Return what a reader of scores from such a split must know, "" if nothing."""
    return FLATTERS if by == "random" else ""


def hold_out(labels: Labels, sources: Sequence[str], fraction: float = 0.1, seed: int = 0) -> Parts:
    """Return the labels in three parts: `sources` are held out whole, of the others `fraction` is, source by source.

    Scores on `held_sources` tell of new fields, scores on `held_fraction` of known ones.
    Each part keeps the order of `labels`. Each source gives its share of the fraction, to the nearest photo.

    Raises:
        AnnotationError: if a source is not in the labels, or two images have the same id.
        ValueError: if `fraction` is not in [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction is {fraction}, expected at least 0 and less than 1")
    require_distinct_ids(labels)
    known = sorted({image.source for image in labels})
    if missing := [source for source in sources if source not in known]:
        raise AnnotationError(f"no photo has the source {missing[0]!r}; the labels have {', '.join(known)}")
    rest = tuple(image for image in labels if image.source not in set(sources))
    drawn = _drawn(rest, fraction, seed)
    return Parts(
        train=tuple(image for image in rest if image.id not in drawn),
        held_sources=tuple(image for image in labels if image.source in set(sources)),
        held_fraction=tuple(image for image in rest if image.id in drawn),
    )


def write_folds(file: Path, folds: Sequence[Fold]) -> None:
    """Write folds as CSV, image_id and fold, with the fold from 1; the inverse of `read_folds`.

    Raises:
        OutputError: if the file cannot be written, or is there and no file of folds.
    """
    if not may_replace(file, _COLUMNS):
        raise OutputError(f"{file}: is there, and no file of folds; name another file, it would be overwritten")
    write_table(file, _COLUMNS, ((name, number) for number, fold in enumerate(folds, start=1) for name in fold))


def read_folds(file: Path) -> list[Fold]:
    """Return the ids of each fold of a CSV file with the columns image_id and fold; folds count from 1.

    Raises:
        AnnotationError: if the file cannot be read, a row makes no sense, an image is twice, or a fold is missing.
    """
    table = read_table(file, _COLUMNS, numbers=("fold",))
    if table.problems:
        raise AnnotationError(table.problems[0].line())
    found: dict[int, list[str]] = {}
    seen: set[str] = set()
    for place, row in table.rows:
        name = row["image_id"]
        if not name or name in seen:
            raise AnnotationError(f"{place}: image_id {name!r} is empty or there twice; delete the row")
        seen.add(name)
        try:
            found.setdefault(whole_number(row["fold"]), []).append(name)
        except ValueError as broken:
            raise AnnotationError(f"{place}: fold is {row['fold']!r}, expected 1, 2, ...; mend the row") from broken
    if absent := set(range(1, len(found) + 1)) - found.keys():
        raise AnnotationError(f"{file}: fold {min(absent)} has no image, expected folds 1 to {len(found)}; mend it")
    return [tuple(found[number]) for number in sorted(found)]


def _by_source(image: LabelledImage) -> tuple[str, ...]:
    return (image.source,)


def _by_session(image: LabelledImage) -> tuple[str, ...]:
    return image.source, image.session


def _by_image(image: LabelledImage) -> tuple[str, ...]:
    return image.source, image.id


_GROUPINGS: Mapping[By, Callable[[LabelledImage], tuple[str, ...]]] = MappingProxyType(
    {"source": _by_source, "session": _by_session, "random": _by_image}
)
_Group: TypeAlias = tuple[str, ...]
_Groups: TypeAlias = Mapping[_Group, list[LabelledImage]]


def _groups(labels: Labels, key: Callable[[LabelledImage], _Group]) -> dict[_Group, list[LabelledImage]]:
    groups: dict[_Group, list[LabelledImage]] = {}
    for image in labels:
        groups.setdefault(key(image), []).append(image)
    return groups


def _remedy(labels: Labels, groups: int, folds: int) -> str:
    """Return what helps where there are fewer groups than folds: fewer folds, or a grouping with enough groups."""
    fewer = ["ask for fewer folds"] if groups > 1 else []
    enough = [f"split by {by}" for by, key in _GROUPINGS.items() if len(_groups(labels, key)) >= folds]
    return ", or ".join([*fewer, *enough]) or "label more photos"


def _shuffled(groups: Sequence[_Group], seed: int) -> list[_Group]:
    return [groups[index] for index in np.random.default_rng(seed).permutation(len(groups)).tolist()]


def _dealt(order: Sequence[_Group], folds: int) -> dict[_Group, int]:
    """Return the fold of each group, dealt out like cards, source by source."""
    by_source = sorted(order, key=lambda group: group[0])  # stable: shuffled within a source
    return {group: index % folds for index, group in enumerate(by_source)}


def _balanced(order: Sequence[_Group], groups: _Groups, folds: int) -> dict[_Group, int]:
    """Return the fold of each group: the largest first, each to the fold that is emptiest so far.

    Exact fractions, so that no rounding decides.
    """
    heads = {group: sum(image.heads for image in images) for group, images in groups.items()}
    photos = sum(len(images) for images in groups.values())
    loads = {
        group: Fraction(len(groups[group]), photos) + Fraction(heads[group], max(1, sum(heads.values())))
        for group in order
    }
    filled = [Fraction(0)] * folds
    placed: dict[_Group, int] = {}
    for group in sorted(order, key=lambda group: -loads[group]):  # stable: ties stay shuffled
        fold = min(range(folds), key=lambda number: (filled[number], number))
        placed[group] = fold
        filled[fold] += loads[group]
    return placed


def _drawn(labels: Labels, fraction: float, seed: int) -> set[str]:
    """Return the ids of a `fraction` of each source, the number rounded to the nearest."""
    generator = np.random.default_rng(seed)
    drawn: set[str] = set()
    for source in sorted({image.source for image in labels}):
        names = sorted(image.id for image in labels if image.source == source)
        count = int(fraction * len(names) + 0.5)
        drawn.update(names[index] for index in generator.permutation(len(names))[:count].tolist())
    return drawn
