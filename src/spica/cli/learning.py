"""Commands that teach a detector: train, and what it can be built from."""

from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spica.cli.terminal import console, fail, is_first_process, progress, show
from spica.errors import needing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress as Bar

    from spica.training.run import Progress, Tell


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="TOML file with the settings of a training.")],
    *,
    data: Annotated[Path, typer.Option(help="Folder of labelled photos, in any known layout.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: recipe, metrics, checkpoints, weights.")],
    also: Annotated[
        list[Path] | None,
        typer.Option(help="More labels to train on, never held out: pseudo-labels, rendered fields; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe: schedule.epochs=3."),
    ] = None,
    folds: Annotated[
        Literal["source"] | None,
        typer.Option(help="Train once for each source, with that source left out, and judge on it: folds.csv."),
    ] = None,
) -> None:
    """Train a detector by a recipe."""
    with needing("train", "this command"):
        if folds is not None:
            _train_folds(recipe, (data, *(also or ())), out, resume=resume, settings=settings or [])
        else:
            _train(recipe, (data, *(also or ())), out, resume=resume, settings=settings or [])


def _train(recipe: Path, data: "Sequence[Path]", out: Path, *, resume: bool, settings: list[str]) -> None:
    from spica.training.run import train

    with progress() as bar:
        told = _teller(bar, "training")
        evaluations = train(recipe, data, out, resume=resume, settings=settings, tell=told)
    for name, evaluation in evaluations.items():
        typer.echo(f"\n{name}:")
        show(evaluation)
    if is_first_process():
        typer.echo(f"written to {out}")


def _train_folds(recipe: Path, data: "Sequence[Path]", out: Path, *, resume: bool, settings: list[str]) -> None:
    from spica.training.folds import FOLDS_TABLE, train_folds

    with progress() as bar:
        tell = partial(_teller, bar)
        rows = train_folds(recipe, data, out, resume=resume, settings=settings, tell=tell)
    if is_first_process():
        _show_table([asdict(row) for row in rows])
        typer.echo(f"written to {out / FOLDS_TABLE}")


def _teller(bar: "Bar", name: str) -> "Tell":
    """Return what shows how far a training is."""
    task = bar.add_task(f"{name}, %", total=100)

    def tell(now: "Progress") -> None:
        if is_first_process():
            bar.update(task, completed=round(100 * now.done))
            bar.console.print(_line(now), markup=False, highlight=False, soft_wrap=True)

    return tell


def _line(now: "Progress") -> str:
    """Return what a training tells as one line."""
    if now.note:
        return now.note
    losses = ", ".join(f"{name} {value:.3f}" for name, value in now.losses.items())
    return f"step {now.step}, {now.seconds / 60:.1f} min: {losses}; {now.rate:.1f} samples/s"


def backbones(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="Part of a name; * stands for anything.")] = "",
    *,
    details: Annotated[
        bool, typer.Option("--details", help="Build each one: strides, channels, parameters; slow.")
    ] = False,
) -> None:
    """List the backbones that a detector can be built on."""
    with needing("train", "this command"):
        from spica.model.backbones import list_backbones

    found = list_backbones(pattern, details=details)
    if not found:
        fail(f"error: no backbone is named like {pattern!r}; see them all by `spica backbones`")
    names = [field.name for field in fields(found[0])]
    _show_table([{name: getattr(backbone, name) for name in names} for backbone in found])


def _show_table(rows: "Sequence[dict[str, Any]]") -> None:
    """Print rows, which have the same keys, as a table, but for columns without a value."""
    from rich.table import Table

    columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
