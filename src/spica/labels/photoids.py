"""What a photo is called in predictions: the id that it has in the labels of its data set."""

import os
from collections.abc import Mapping
from pathlib import Path

from spica.labels.folder import is_photo_folder
from spica.labels.photofiles import image_id


def photo_ids(photos: Mapping[str, Path]) -> dict[str, str]:
    """Return the id of each of the named photos, by name.

    In a data set it is the id that the labels have for it, whichever folder was searched: the path from the photo
    folder (train/ for Kaggle, else images/) without the ending. Any other photo has its name without the ending.

    Raises:
        AnnotationError: if a file beside a photo folder cannot be read, so that it is not known whether it has labels.
    """
    homes: dict[Path, Path | None] = {}
    ids = {}
    for name, path in photos.items():
        photo = Path(os.path.abspath(path))  # noqa: PTH100 - keeps links
        if photo.parent not in homes:
            homes[photo.parent] = next((here for here in photo.parents if is_photo_folder(here)), None)
        home = homes[photo.parent]
        ids[name] = image_id(name if home is None else photo.relative_to(home).as_posix())
    return ids
