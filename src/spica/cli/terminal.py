"""How commands speak: results to the standard output; progress, warnings and one-line errors to the standard error."""

import os
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperGroup

from spica.errors import SpicaError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from spica.scoring.evaluation import Evaluation

_FAILED = 1  # exit code: something that the user can mend
_INTERRUPTED = 130  # exit code of shells after Ctrl-C: 128 + SIGINT
_WIDE = 200  # columns of a table that goes into a file: enough for every column


class OneLineErrors(TyperGroup):
    """Commands whose errors are one line: what was expected, what was found, what to do."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        Raises:
            Exit: with 1 after an error that the user can mend, with 130 after Ctrl-C.
        """
        try:
            return super().invoke(ctx)
        except SpicaError as error:
            say(f"error: {error}")
            raise typer.Exit(_FAILED) from error
        except KeyboardInterrupt as stop:
            say("interrupted")
            raise typer.Exit(_INTERRUPTED) from stop


def say(text: str) -> None:
    """Write one line to the standard error."""
    typer.echo(" ".join(text.split("\n")), err=True)


def fail(text: str) -> NoReturn:
    """Say in one line what failed, and stop.

    Raises:
        Exit: always.
    """
    say(text)
    raise typer.Exit(_FAILED)


def misuse(text: str) -> NoReturn:
    """Stop because options do not go together.

    Raises:
        BadParameter: always; it shows the usage and exits with 2.
    """
    raise typer.BadParameter(text)


def is_first_process() -> bool:
    """Return whether this is the only process, or the first of those that a launcher such as torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def console() -> "Console":
    """Return the console for results: as wide as the terminal, and wide enough for every column if it is none."""
    from rich.console import Console

    here = Console(markup=False)  # names may hold square brackets
    return here if here.is_terminal else Console(width=_WIDE, markup=False)


def show(evaluation: "Evaluation") -> None:
    """Print the tables of an evaluation."""
    from spica.scoring.tables import count_table, score_table, worst_table

    screen = console()
    for table in (score_table(evaluation), count_table(evaluation), worst_table(evaluation)):
        screen.print(table)


def progress(rate: str = "") -> "Progress":
    """Return a progress bar on the standard error that goes away when done; lines only where that is no terminal.

    With `rate` it shows how many of these are done in a second. Of several processes the first alone shows it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{task.speed:.1f} {rate}/s" if task.speed else "")

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *[Rate()] * bool(rate)]
    columns.append(TimeRemainingColumn())
    here = Console(stderr=True)
    return Progress(*columns, console=here, transient=True, disable=not (here.is_terminal and is_first_process()))
