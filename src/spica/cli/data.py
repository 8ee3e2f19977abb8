"""Commands for data sets: check, split, convert, render, download; cut and suspects are in files of their own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from spica.cli.detecting import BOXES
from spica.cli.terminal import console, fail, progress, say

if TYPE_CHECKING:
    from spica.labels.labelled import Labels
    from spica.labels.problems import Problem

Layout: TypeAlias = Literal["kaggle", "gwhd", "coco", "yolo", "label-studio", "cvat"]
data = typer.Typer(
    no_args_is_help=True, help="Check, split, convert, cut, render and download data sets.", rich_markup_mode=None
)

_MEGA = 1_000_000
_TOLD = ("not labelled", "several annotations", "no boxes", "other label", "categories")  # what decides on the result
_Data = typer.Argument(
    metavar="DATA",
    help="Labelled photos: a folder laid out as Kaggle, GWHD 2021, COCO, YOLO, Label Studio or CVAT do, or an export.",
)
_Photos = typer.Option(help="Folder of the photos, if they are not where the layout has them.")
_Called = typer.Option("--label", help="Only boxes with this label are heads; may be repeated. Default: all boxes.")


@data.command()
def check(
    folder: Annotated[Path, _Data],
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Decode every photo, not only its header.")] = False,
    photos: Annotated[Path | None, _Photos] = None,
    called: Annotated[list[str] | None, _Called] = None,
) -> None:
    """List everything that is wrong with a data set; exit with 1 if there are errors."""
    from spica.labels.folder import read_labels

    labels, problems = read_labels(folder, deep=deep, photos=photos, called=called or ())
    for problem in problems:
        typer.echo(f"{problem.severity}: {problem.line()}")
    errors = sum(problem.severity == "error" for problem in problems)
    heads, empty = sum(image.heads for image in labels), sum(image.heads == 0 for image in labels)
    sources, ignored = len({image.source for image in labels}), sum(len(image.ignored) for image in labels)
    told = f", {ignored:,} box{'' if ignored == 1 else 'es'} to be ignored" if ignored else ""
    typer.echo(f"{len(labels):,} images ({empty:,} without heads), {heads:,} heads, {sources:,} sources{told}")
    if errors:
        fail(f"{errors:,} errors, {len(problems) - errors:,} warnings")
    typer.echo(f"no errors, {len(problems):,} warnings")


@data.command()
def split(
    folder: Annotated[Path, _Data],
    *,
    out: Annotated[Path, typer.Option(help="CSV file for image_id and fold.")],
    by: Annotated[Literal["source", "session", "random"], typer.Option(help="What stays together.")] = "source",
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
) -> None:
    """Divide images into folds for validation."""
    from rich.table import Table

    from spica.labels import folds as folding
    from spica.labels.folder import read_labels

    labels, problems = read_labels(folder)
    _say_left_out(folder, sum(problem.severity == "error" for problem in problems))
    parts = folding.split(labels, by, folds, seed)
    folding.write_folds(out, parts)
    images = {image.id: image for image in labels}
    table = Table("fold", "images", "heads", "sources")
    for number, part in enumerate(parts, start=1):
        chosen = [images[name] for name in part]
        sources = ", ".join(sorted({image.source for image in chosen}))
        table.add_row(str(number), str(len(chosen)), str(sum(image.heads for image in chosen)), sources)
    console().print(table)
    if caution := folding.caution(by):
        say(f"caution: {caution}")


@data.command()
def convert(
    folder: Annotated[Path, _Data],
    *,
    to: Annotated[Layout, typer.Option(help="Layout to write.")],
    out: Annotated[Path, typer.Option(help="New folder.")],
    photos: Annotated[Path | None, _Photos] = None,
    called: Annotated[list[str] | None, _Called] = None,
) -> None:
    """Write a data set in another layout; or the results of spica predict for Label Studio or CVAT, to be corrected.

    Exits with 1 if a photo was left out because of its name.
    """
    from spica.labels.folder import read_labels, write_found, write_labels
    from spica.prediction.correcting import to_be_corrected
    from spica.prediction.reading import is_result_folder, read_results

    if is_result_folder(folder):
        every = to_be_corrected(read_results(folder), photos)
        found = every.on(with_usable_names(folder, every.images))
        write_found(found, out, to)
        boxes = sum(image.heads for image in found.images)
        typer.echo(f"{len(found.images):,} images, {boxes:,} boxes to be corrected in {to}: {out}")
        fail_if_left_out(len(every.images) - len(found.images), "rename them and predict again")
        return
    if is_result_folder(folder / BOXES):
        fail(f"error: {folder}: holds counts; what they are of is in {folder / BOXES}, convert that")
    labels, problems = read_labels(folder, photos=photos, called=called or ())
    for problem in problems:
        if problem.severity == "warning" and problem.kind in _TOLD:
            say(f"{problem.severity}: {problem.line()}")
    _require_photos(folder, labels, problems)
    _say_left_out(folder, sum(problem.severity == "error" for problem in problems))
    named = with_usable_names(folder, labels)
    write_labels(named, out, to)
    typer.echo(f"{len(named):,} images, {sum(image.heads for image in named):,} heads: {out}")
    fail_if_left_out(len(labels) - len(named), "rename them, in the labels too")


@data.command()
def render(
    *,
    out: Annotated[Path, typer.Option(help="New folder, in Kaggle layout.")],
    images: Annotated[int, typer.Option(min=1, help="Number of photos.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    side: Annotated[int, typer.Option(min=64, help="Width and height in pixels.")] = 1024,
) -> None:
    """Render photos of wheat fields with exact boxes."""
    from spica.labels.fields import render_fields

    with progress() as bar:
        task = bar.add_task("photos", total=images)
        labels = render_fields(
            out, images, seed, side=side, progress=lambda done, _all: bar.update(task, completed=done)
        )
    typer.echo(f"{len(labels):,} images, {sum(image.heads for image in labels):,} heads: {out}")


@data.command()
def download(
    name: Annotated[Literal["kaggle", "gwhd2021"], typer.Argument(metavar="kaggle|gwhd2021", help="Data set.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder to unpack it into.")],
) -> None:
    """Fetch a public data set."""
    from spica.labels.download import download as fetch

    with progress() as bar:
        task = bar.add_task("megabytes", total=None)
        fetch(name, out, lambda here, total: bar.update(task, completed=here // _MEGA, total=total // _MEGA or None))
    typer.echo(f"{name}: {out}")


def _require_photos(folder: Path, labels: "Labels", problems: "Sequence[Problem]") -> None:
    """Stop if no photo of a data set is left: the photos are all missing, or an empty data set is meant by mistake."""
    if labels:
        return
    errors = [problem for problem in problems if problem.severity == "error"]
    missing = [problem.image for problem in errors if problem.kind == "missing photo"]
    if missing:
        fail(
            f"error: {folder}: no photo is left, {len(missing):,} are missing, first {missing[0]}; name the folder of "
            "the photos by --photos"
        )
    why = f"{len(errors):,} errors leave no photo" if errors else "has no labelled photo"
    fail(f"error: {folder}: {why}, expected one at least; see `spica data check {folder}`")


def with_usable_names(folder: Path, labels: "Labels") -> "Labels":
    """Return the images whose photos can have their names in a data set, and say which cannot; stop if none can."""
    from spica.labels.photofiles import name_problem

    problems = [name_problem(image) for image in labels]
    for problem in filter(None, problems):
        say(f"{problem.line()}; it is left out")
    named = tuple(image for image, problem in zip(labels, problems, strict=True) if problem is None)
    if not named:
        fail(f"error: {folder}: no photo is left to be written")
    return named


def fail_if_left_out(photos: int, remedy: str) -> None:
    """Stop with status 1 if photos were left out because of their names."""
    if photos:
        fail(f"{photos:,} photo(s) left out because of their names, see above; {remedy}")


def _say_left_out(folder: Path, errors: int) -> None:
    if errors:
        say(f"{folder}: {errors:,} errors, what they name is left out; see `spica data check {folder}`")
