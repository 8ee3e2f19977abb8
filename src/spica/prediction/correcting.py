"""Results on their way to be corrected: what was found, on the photos where they lie, so that it can become labels."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from spica.boxes import no_boxes
from spica.detections import no_detections
from spica.errors import AnnotationError
from spica.images import image_size
from spica.labels.found import FoundHeads, found_heads
from spica.labels.labelled import LabelledImage
from spica.labels.photofiles import find_photos
from spica.labels.photoids import photo_ids
from spica.labels.photonames import ids_by_name
from spica.prediction.journal import Outcome
from spica.prediction.reading import Results, paths_of


def to_be_corrected(results: Results, photos: Path | None = None) -> FoundHeads:
    """Return what `spica predict` found, on the photos where they lay then, or in the folder `photos`.

    Photos have the ids of labels. Those that could not be counted are not among them.

    Raises:
        AnnotationError: if a photo is gone or has another size.
        ImageError: if there are no photos, or one cannot be read.
    """
    paths = _paths(results, photos)
    ids = photo_ids(paths)
    images = [(_image(one, ids[one.name], paths[one.name]), one.found or no_detections()) for one in results.photos]
    return found_heads(images, results.model)


def _image(one: Outcome, name: str, path: Path) -> LabelledImage:
    """Return a photo without labels.

    Raises:
        AnnotationError: if it has another size than when it was predicted.
    """
    if image_size(path) != (one.width, one.height):
        raise AnnotationError(f"{path}: is no longer {one.width} x {one.height}, as predicted; predict it again")
    return LabelledImage(name, path, one.width, one.height, no_boxes())


def _paths(results: Results, photos: Path | None) -> dict[str, Path]:
    """Return the path of each photo by its name.

    Raises:
        AnnotationError: if one is not there.
    """
    names = [one.name for one in results.photos]
    there = paths_of(results) if photos is None else _now(names, photos)
    missing = [name for name in names if not (name in there and there[name].is_file())]
    if missing:
        raise AnnotationError(
            f"{len(missing)} photo(s) of the results are gone, first {missing[0]}; name their folder by --photos"
        )
    return {name: there[name] for name in names}


def _now(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return the photos of a folder that have these names, whatever folders stand before them: see `ids_by_name`."""
    known = find_photos(folder)
    shown = {name: known.by_id.get(found, ()) for name, found in ids_by_name(names, known).items()}
    return {name: path for name in names for path in shown[name] if path.name == PurePosixPath(name).name}
