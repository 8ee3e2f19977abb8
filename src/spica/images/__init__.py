"""Photos: found in folders, read into RGB whatever their format, and written without half-written files."""

from spica.images.finding import PHOTO_SUFFIXES, find_images, name_photos
from spica.images.reading import MOST_PIXELS, image_size, read_image
from spica.images.writing import write_atomically, write_image, written_atomically

__all__ = [
    "MOST_PIXELS",
    "PHOTO_SUFFIXES",
    "find_images",
    "image_size",
    "name_photos",
    "read_image",
    "write_atomically",
    "write_image",
    "written_atomically",
]
