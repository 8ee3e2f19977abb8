"""Where a photo was taken: the position that a camera or drone wrote into it."""

from pathlib import Path
from typing import Any

from PIL import ExifTags

from spica.images.reading import decoding, exif_of

_SOUTH_WEST = frozenset({"S", "W"})


def position_of(path: Path) -> tuple[float, float] | None:
    """Return latitude and longitude of a photo in degrees, north and east above 0; None if it does not say.

    Source: CIPA DC-008, Exif 2.32, section 4.6.6, GPS attributes.

    Raises:
        ImageError: if the file cannot be opened as a photo.
    """
    with decoding(path) as image:
        tags = exif_of(image).get_ifd(ExifTags.IFD.GPSInfo)
    latitude = _degrees(tags, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, 90)
    longitude = _degrees(tags, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _degrees(tags: dict[int, Any], value: int, reference: int, most: int) -> float | None:
    """Return degrees, minutes and seconds as degrees; None if they are missing or damaged."""
    try:
        degrees, minutes, seconds = (float(part) for part in tags[value])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    found = degrees + minutes / 60 + seconds / 3600
    if not 0 <= found <= most:  # a NaN, which stands for 0 / 0, is not either
        return None
    return -found if str(tags.get(reference, "")).strip("\0 ").upper() in _SOUTH_WEST else found
