"""Photos: found in folders, read into RGB whatever their format, and written without half-written files."""

from spica.images.aspect import ASPECT_SIDE, Aspect, aspect_of
from spica.images.finding import (
    DRAWN_SIGN,
    PHOTO_SUFFIXES,
    files_in,
    find_images,
    mark_drawn,
    name_photos,
    named_from,
    photos_in,
)
from spica.images.position import position_of
from spica.images.reading import MOST_PIXELS, Photo, image_size, read_image, read_photo
from spica.images.resizing import fitted_size, read_resized, resized
from spica.images.writing import make_folder, write_atomically, write_image, written_atomically

__all__ = [
    "ASPECT_SIDE",
    "DRAWN_SIGN",
    "MOST_PIXELS",
    "PHOTO_SUFFIXES",
    "Aspect",
    "Photo",
    "aspect_of",
    "files_in",
    "find_images",
    "fitted_size",
    "image_size",
    "make_folder",
    "mark_drawn",
    "name_photos",
    "named_from",
    "photos_in",
    "position_of",
    "read_image",
    "read_photo",
    "read_resized",
    "resized",
    "write_atomically",
    "write_image",
    "written_atomically",
]
