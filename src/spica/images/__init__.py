"""Photos: found in folders, read into RGB whatever their format, and written without half-written files."""

from spica.images.finding import DRAWN_SIGN, PHOTO_SUFFIXES, find_images, mark_drawn, name_photos, photos_in
from spica.images.reading import MOST_PIXELS, image_size, read_image
from spica.images.writing import make_folder, write_atomically, write_image, written_atomically

__all__ = [
    "DRAWN_SIGN",
    "MOST_PIXELS",
    "PHOTO_SUFFIXES",
    "find_images",
    "image_size",
    "make_folder",
    "mark_drawn",
    "name_photos",
    "photos_in",
    "read_image",
    "write_atomically",
    "write_image",
    "written_atomically",
]
