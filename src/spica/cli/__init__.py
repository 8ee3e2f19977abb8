"""The command line: one short function for each command; whatever is slow to import is imported inside."""

from typing import Annotated

import typer

import spica
from spica.cli.counting import count
from spica.cli.cutting import cut
from spica.cli.data import data
from spica.cli.detecting import export, predict
from spica.cli.evaluating import evaluate
from spica.cli.learning import backbones, train
from spica.cli.pseudolabelling import pseudo_label
from spica.cli.suspecting import suspects
from spica.cli.terminal import OneLineErrors

app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a traceback with every array in it cannot be read
    rich_markup_mode=None,
)
for _command in (predict, count, evaluate, train, pseudo_label, export, backbones):
    app.command()(_command)
data.command()(cut)
data.command()(suspects)
app.add_typer(data, name="data")


def main() -> None:
    """Run the command line; exit codes are 0, 1 for what a user can mend, 2 for misuse and 130 after Ctrl-C."""
    app()


def _show_version(show: bool) -> bool:
    """Print the version and stop, if asked to.

    Raises:
        Exit: after printing it.
    """
    if show:
        typer.echo(f"spica {spica.__version__}")
        raise typer.Exit
    return show


@app.callback()
def _spica(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Find and count wheat heads in photos of fields."""
