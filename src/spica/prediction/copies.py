"""Photos that a sum counts twice: copies of one file, as phones and clouds make them."""

from spica.errors import ImageError, listed
from spica.labels.copies import copies_among
from spica.prediction.reading import Results, paths_of


def copies_told(results: Results) -> str:
    """Return a line that names photos of results that are copies of others, "" if there are none.

    Photos that are no longer where they were predicted cannot be compared, and a raster is no photo.
    """
    try:
        there = {} if results.raster else paths_of(results)
    except ImageError:  # the folder is there, its photos are not
        there = {}
    photos = {photo.name: there[photo.name] for photo in results.photos if photo.name in there}
    pairs = [f"{same[0]} and {copy}" for same in copies_among(photos) for copy in same[1:]]
    if not pairs:
        return ""
    return (
        f"{len(pairs):,} photo(s) counted again, for two files are the same: {listed(pairs)}; delete one of each two "
        "and count again"
    )
