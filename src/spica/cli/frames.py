"""The frame on each photo, for the command that counts: given in a table, or found on the photo itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spica.cli.terminal import progress, say
from spica.errors import ImageError, MissingExtraError

if TYPE_CHECKING:
    from spica.counting.ground import Quadrat
    from spica.images import Photo
    from spica.labels.problems import Problem
    from spica.prediction.journal import Outcome
    from spica.prediction.reading import Results

FRAMES = "frames.csv"  # the corners that were used
FRAME_PICTURES = "frames"  # folder of pictures of the frames that were found
_SIDE = 1024  # pixels of the longer side of such a picture
_READ = 1280  # pixels of the longer side of the photo as it is read: twice what is looked at, as reducing blurs


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of known inner sides, in metres; its corners in a table, or to be found; where to write them."""

    sides: tuple[float, float]
    corners: Path | None
    out: Path
    pictures: bool


def check_frame(frame: Frame) -> None:
    """Stop before hours of detecting if frames cannot be found.

    Raises:
        MissingExtraError: if what finds frames is not installed, and no corners are given.
    """
    from spica.counting.frames import require_frame_finder

    if frame.corners is None:
        require_frame_finder("--frame without --corners")


def frames_on(results: "Results", frame: Frame) -> tuple[dict[str, "Quadrat"], tuple["Problem", ...]]:
    """Return the frame on each photo where it is known, and what is to be said of the others.

    Corners that were found are drawn on pictures in `frames`; all that are known are written to `frames.csv`.
    """
    from spica.counting.tables import read_frames, write_frames
    from spica.prediction.reading import known_photos

    names = [photo.name for photo in results.photos]
    given, problems = read_frames(frame.corners, known_photos(results), frame.sides) if frame.corners else ({}, ())
    lacking = [photo for photo in results.photos if photo.name not in given]
    found, unseen = _found(lacking, results, frame) if lacking else ({}, ())
    frames = {name: one for name in names if (one := given.get(name, found.get(name))) is not None}
    write_frames(frame.out / FRAMES, frames, found)
    return frames, (*problems, *unseen)


def _found(
    photos: Sequence["Outcome"], results: "Results", frame: Frame
) -> tuple[dict[str, "Quadrat"], tuple["Problem", ...]]:
    """Return the frames found on photos, and what is to be said of those on which there is none."""
    from spica.counting.ground import Quadrat
    from spica.prediction.reading import paths_of

    if frame.corners is not None and not _can_find(f"{frame.corners} lacks {len(photos):,} photos"):
        return {}, ()
    paths, found, problems = paths_of(results), dict[str, Quadrat](), list["Problem"]()
    with progress() as bar:
        for photo in bar.track(photos, description="frames"):
            seen = _seen(photo, paths.get(photo.name), frame)
            if isinstance(seen, Quadrat):
                found[photo.name] = seen
            else:
                problems.append(seen)
    say(f"frames found on {len(found):,} of {len(photos):,} photos; look at them before you trust the densities")
    return found, tuple(problems)


def _can_find(lack: str) -> bool:
    """Say that frames are looked for, or what is missing for that."""
    from spica.counting.frames import require_frame_finder

    try:
        require_frame_finder("finding the frame on them")
    except MissingExtraError as missing:
        say(f"{lack}, and they have no density: {missing}")
        return False
    say(f"{lack}: the frame is looked for on them")
    return True


def _seen(outcome: "Outcome", path: Path | None, frame: Frame) -> "Quadrat | Problem":
    """Return the frame on one photo, and draw it; or say in one line why it is not known."""
    from spica.counting.frames import find_frame
    from spica.counting.ground import Quadrat
    from spica.images import read_photo
    from spica.labels.problems import Place, warning

    if path is None:
        text = "the photo is no longer where it was predicted, so no frame is found on it"
        return warning("moved", Place(Path(outcome.name)), "", text, "put it back, or give --corners")
    try:
        photo = read_photo(path, _READ)
    except ImageError as broken:
        return warning("unreadable", Place(path), "", f"no frame is found: {broken}", "or give --corners")
    if (photo.width, photo.height) != (outcome.width, outcome.height):
        text = f"has {photo.width} x {photo.height} pixels, expected {outcome.width} x {outcome.height} as predicted"
        return warning("changed", Place(path), "", text, "put the photo back, or predict again")
    corners = find_frame(photo.pixels, frame.sides)
    if corners is None:
        text = "no frame found of which Spica is sure: four straight bars, each seen along two fifths of its length"
        return warning("no frame", Place(path), "", text, "give its corners with --corners")
    height, width, _ = photo.pixels.shape
    quadrat = Quadrat(corners * [photo.width / width, photo.height / height], frame.sides)
    if frame.pictures:
        _draw(outcome, photo, quadrat, frame.out)
    return quadrat


def _draw(outcome: "Outcome", photo: "Photo", frame: "Quadrat", out: Path) -> None:
    """Write a picture of the photo with the frame that was found on it and the heads inside, which count."""
    from spica.drawing import draw_heads, draw_outline
    from spica.images import make_folder, mark_drawn, resized, write_image
    from spica.prediction.results import picture_name

    smaller = photo.pixels.shape[1] / photo.width
    heads = outcome.boxes[frame.holds(outcome.boxes)] * smaller
    drawn = draw_outline(draw_heads(photo.pixels, heads), frame.corners * smaller)
    picture = out / FRAME_PICTURES / picture_name(outcome.name)
    make_folder(picture.parent)
    mark_drawn(out / FRAME_PICTURES)
    write_image(picture, resized(drawn, min(_SIDE, max(photo.pixels.shape))))
