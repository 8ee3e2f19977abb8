"""The command that predicts photos, and what it shares with others that use a detector."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spica.cli.terminal import fail, needing_torch, progress, say

if TYPE_CHECKING:
    from spica.model.checkpoint import NetworkDetect
    from spica.prediction.folder import Order, Summary
    from spica.prediction.results import Outcome

Weights = typer.Option(help="Run folder or weights file of a trained detector.")
_Score = typer.Option(min=0, max=1, help="Least score of a head. Default: what the weights recommend.")
Device = typer.Option(help="auto, cpu, cuda or another device of PyTorch.")


def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PHOTO|FOLDER...", help="Photos, or folders of them.")],
    *,
    out: Annotated[Path, typer.Option(help="New folder for counts, boxes and pictures.")],
    weights: Annotated[Path, Weights],
    score: Annotated[float | None, _Score] = None,
    submission: Annotated[Path | None, typer.Option(help="Write a Kaggle submission to this file as well.")] = None,
    device: Annotated[str, Device] = "auto",
    pictures: Annotated[bool, typer.Option(help="Draw the heads on a copy of each photo.")] = True,
) -> None:
    """Find and count the heads on photos; exit with 1 if a photo failed."""
    from spica.prediction.folder import Order, predict_folder

    detect = load(weights, device)
    threshold = detect.threshold if score is None else score
    order = Order(paths, out, threshold, pictures, submission, str(weights), detect.most_boxes)
    with progress() as bar:
        task = bar.add_task("photos", total=None)

        def told(outcome: "Outcome", photos: int) -> None:
            bar.update(task, advance=1, total=photos)
            if outcome.error:
                named = outcome.name in outcome.error  # most errors begin with the photo's path
                line = outcome.error if named else f"{outcome.name}: {outcome.error}"
                bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

        summary = predict_folder(detect, order, told=told)
    typer.echo(
        f"{summary.heads:,} heads with a score of {threshold:g} or more on {summary.counted:,} photos "
        f"in {summary.seconds:.1f} s: {out}"
    )
    _say_what_to_know(summary, order)
    if summary.failed:
        fail(f"{summary.failed} of {summary.photos} photos failed: {out / 'errors.csv'}")


def _say_what_to_know(summary: "Summary", order: "Order") -> None:
    if summary.skipped:
        folders = ", ".join(map(str, summary.skipped))
        say(f"not searched for photos, since Spica drew the pictures there: {folders}")
    if summary.capped:
        say(
            f"{summary.capped:,} photo(s) reached the {order.most_boxes:,} boxes that the detector can give: their "
            f"counts may be too low; they have the flag cap in {order.out / 'counts.csv'}"
        )


def load(weights: Path, device: str) -> "NetworkDetect":
    """Return the detector of a run folder or weights file."""
    with needing_torch():
        from spica.model.checkpoint import load_detect
    return load_detect(weights, device)
