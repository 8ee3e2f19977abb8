"""Commands that find heads with a detector, and make a model file of one."""

import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypeAlias

import typer

from spica.cli.rasters import say_what_is_lost
from spica.cli.terminal import fail, misuse, progress, say
from spica.errors import needing

if TYPE_CHECKING:
    from spica.detections import Detections
    from spica.prediction.folder import Order, Summary
    from spica.prediction.journal import Outcome
    from spica.prediction.looking import Looks
    from spica.prediction.reading import Results
    from spica.prediction.runtime import Detector

Weights = typer.Option(
    help="Model file (.onnx), run folder or weights file of a trained detector; may be repeated, and all look at each "
    "photo. Default: the model that Spica ships."
)
Views = typer.Option(help="Look at 2, 4 or 8 views of each photo, mirrored and turned: better boxes, as much slower.")
Tile = typer.Option(min=32, help="Pixels of a photo that are seen at once. Default: the size of the heads decides.")
Gsd = typer.Option(  # beyond 5 mm heads cannot be seen: spica.rasters.folder.LARGEST_GSD
    min=0.001, max=5, help="Millimetres of the field in a pixel of the photos: they decide what is seen at once."
)
ViewCount: TypeAlias = Literal["1", "2", "4", "8"]
BOXES = "boxes"  # folder of the results that an answer is made of, in the folder of that answer
_Score = typer.Option(min=0, max=1, help="Least score of a head. Default: what the card of the model recommends.")
Device = typer.Option(
    help="auto, cpu or onnxruntime for a model file; auto, cpu, cuda or another of PyTorch's for a run."
)


def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PHOTO|FOLDER...", help="Photos, or folders of them.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for counts, boxes and pictures; one that was interrupted goes on.")],
    weights: Annotated[list[Path] | None, Weights] = None,
    views: Annotated[ViewCount, Views] = "1",
    tile: Annotated[int | None, Tile] = None,
    gsd: Annotated[float | None, Gsd] = None,
    score: Annotated[float | None, _Score] = None,
    submission: Annotated[
        Path | None, typer.Option(help="Write a submission to this file as well, for Kaggle if no --domains are given.")
    ] = None,
    domains: Annotated[
        Path | None, typer.Option(help="CSV with image_name and domain: a submission for the challenge of 2021.")
    ] = None,
    device: Annotated[str, Device] = "auto",
    pictures: Annotated[bool, typer.Option(help="Draw the heads on a copy of each photo.")] = True,
) -> None:
    """Find and count the heads on photos, or on one GeoTIFF of any size; exit with 1 if a photo failed."""
    from spica.loading import load_ensemble
    from spica.prediction.folder import order_for
    from spica.prediction.submission import read_domains
    from spica.rasters.raster import only_raster

    looks = looks_of(tile, gsd)
    if submission is not None and only_raster(paths):
        misuse("--submission is for photos, not for a raster")
    if domains is not None and submission is None:
        misuse("--domains are for a --submission")
    listed = None if domains is None else read_domains(domains)
    detector = load_ensemble(weights or (), device, views=int(views))
    order = order_for(detector, paths, out, score)
    order = replace(order, pictures=pictures, submission=submission, domains=listed, looks=looks)
    summary = predicted(detector, order)
    if summary.failed:
        fail(f"{summary.failed} of {summary.photos} photos failed: {out / 'errors.csv'}")


def predicted(detector: "Detector", order: "Order") -> "Summary":
    """Write the result folder of photos, or of one raster, with progress, and say what is to be known of it."""
    from spica.rasters.raster import only_raster

    say_what_is_lost(order.paths)
    signal.signal(signal.SIGTERM, _interrupt)  # a polite kill stops as Ctrl-C does
    summary = (_predicted_raster if only_raster(order.paths) else _predicted_photos)(detector, order)
    typer.echo(_result(summary, order.score, order.out))
    _say_what_to_know(summary, order)
    return summary


def results_of(paths: Sequence[Path]) -> "Results | None":
    """Return the results that are given instead of photos; None if photos are. Stops if both are, or several results.

    Raises:
        SubmissionError: if a file in them does not make sense.
    """
    from spica.prediction.reading import is_result_folder, read_results

    folders = [path for path in paths if is_result_folder(path)]
    if not folders:
        return None
    if len(paths) > 1:
        misuse(f"{folders[0]} holds results of spica predict: give one such folder alone, or photos")
    return read_results(folders[0])


def found_on(detect: "Detector", photos: Collection[Path], looks: "Looks | None" = None) -> "dict[Path, Detections]":
    """Return what is found on each photo; those that cannot be read are told and left out.

    Raises:
        ImageError: if none can be read.
    """
    from spica.errors import ImageError
    from spica.prediction.runtime import detect_file

    found: dict[Path, Detections] = {}
    with progress() as bar:
        for photo in bar.track(photos, description="photos"):
            try:
                found[photo] = detect_file(detect, photo, looks)
            except ImageError as broken:
                say(f"{broken}; it is left out")
    if photos and not found:
        raise ImageError("no photo can be read, see above")
    return found


def detected(
    paths: Sequence[Path],
    out: Path,
    command: str,
    models: tuple[Sequence[Path], ViewCount, str],
    wanted: "Callable[[Order], Order]",
) -> "Results":
    """Return the results on photos or a raster, written to `out`/boxes.

    `models` are weights, views and device; `wanted` changes the order that these give. Results of the same order that
    are there already are taken, and only photos that are new or were changed since are looked at; others are not
    overwritten: `command` is what takes them.
    """
    from spica.loading import load_ensemble
    from spica.prediction.folder import order_for
    from spica.prediction.reading import is_result_folder, read_results
    from spica.prediction.renewal import read_stamps, reopen, stamps_of, write_stamps

    boxes = out / BOXES
    weights, views, device = models
    detector = load_ensemble(weights, device, views=int(views))
    order = wanted(order_for(detector, paths, boxes))
    now = stamps_of(paths)
    if is_result_folder(boxes):
        before = read_stamps(boxes)
        if other := _differences(order, before, now):
            fail(
                f"error: {boxes} holds results already, of other photos or options ({', '.join(other)}); {command} "
                f"those by `spica {command} {boxes}`, or name another folder"
            )
        if now == before:
            say(f"found before, and taken from there: {boxes}")
            return read_results(boxes)
        say(
            f"found before, but with other photos: what is new or changed is looked at, what is gone forgotten: {boxes}"
        )
        reopen(order)
    predicted(detector, order)
    write_stamps(boxes, now)
    return read_results(boxes)


def _differences(order: "Order", before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return in what complete results are not of an order; those of a raster are of its stamp `before` alone."""
    from spica.prediction.folder import STAMPS
    from spica.prediction.reading import differences
    from spica.rasters.folder import described, side_of
    from spica.rasters.raster import only_raster, opened

    path = only_raster(order.paths)
    if path is not None:
        with opened(path) as raster:
            order = described(raster, order, side_of(raster, order))
    other = differences(order.out, order)
    if not before:
        other.append(f"{STAMPS} is missing")
    elif path is not None and before != now:
        other.append(f"{path.name} was replaced")
    return other


def _predicted_photos(detector: "Detector", order: "Order") -> "Summary":
    from spica.prediction.folder import predict_folder

    with progress(rate="photos") as bar:
        task = bar.add_task("photos", total=None)

        def told(outcome: "Outcome", done: int, photos: int) -> None:
            bar.update(task, completed=done, total=photos)
            if outcome.error:
                named = outcome.name in outcome.error  # most errors begin with the photo's path
                line = outcome.error if named else f"{outcome.name}: {outcome.error}"
                bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

        return predict_folder(detector, order, told=told)


def _predicted_raster(detector: "Detector", order: "Order") -> "Summary":
    from spica.rasters.folder import predict_raster

    with progress(rate="windows") as bar:
        task = bar.add_task("windows", total=None)
        return predict_raster(detector, order, told=lambda done, all_: bar.update(task, completed=done, total=all_))


def looks_of(tile: int | None, gsd: float | None) -> "Looks":
    """Return how to look at photos; stop if the options do not go together."""
    from spica.prediction.looking import Looks

    if tile is not None and gsd is not None:
        misuse("give either --tile or --gsd")
    return Looks(tile or 0, gsd or 0.0)


def _result(summary: "Summary", threshold: float, out: Path) -> str:
    before = summary.photos - summary.now
    return (
        f"{summary.heads:,} heads with a score of {threshold:g} or more on {summary.counted:,} photos "
        f"in {summary.seconds:.1f} s{f' ({before:,} had been done before)' if before else ''}: {out}"
    )


def _say_what_to_know(summary: "Summary", order: "Order") -> None:
    from spica.prediction.flags import MEANINGS

    if summary.skipped:
        folders = ", ".join(map(str, summary.skipped))
        say(f"not searched for photos, since Spica drew the pictures there: {folders}")
    if summary.unread:
        kinds = ", ".join(sorted({file.suffix.lower() for file in summary.unread}))
        say(f"{len(summary.unread):,} file(s) left out, since Spica does not read {kinds}; convert them to JPEG")
    for flag, photos in summary.flagged.items():
        say(f"{photos:,} photo(s) with the flag {flag} in {order.out / 'counts.csv'}: {MEANINGS[flag]}")


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or weights file of a trained detector.")],
    *,
    out: Annotated[Path, typer.Option(help="Model file to write: NAME.onnx.")],
    half: Annotated[bool, typer.Option(help="Store the weights in half precision: half the size.")] = True,
) -> None:
    """Make one model file of a trained detector: it runs without torch, and holds its card."""
    with needing("train", "this command"):
        from spica.model.export import export as exported
    card = exported(run, out, half=half)
    typer.echo(f"threshold {card.threshold:g}, {out.stat().st_size / 1e6:.1f} MB: {out}")
