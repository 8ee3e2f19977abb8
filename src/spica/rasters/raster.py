"""A raster: an image larger than memory, read window by window as the RGB that a detector looks at."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Bool
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from spica.errors import ImageError, needing
from spica.image import Image
from spica.images import MOST_PIXELS, name_photos
from spica.prediction.tiles import Tile
from spica.rasters.coordinates import Coordinates

RASTER_SUFFIXES = frozenset({".tif", ".tiff"})
OVERVIEW_SIDE = 1024  # pixels of the overview from which 16 bits are stretched
_STRETCH = (0.5, 99.5)  # percentiles: glare and deep shadow do not decide
_GEO_TAGS = frozenset({33550, 33922, 34264, 34735})  # GeoTIFF 1.1: scale, tie points, transformation, keys
_WORLD_FILES = (".tfw", ".tifw", ".tiffw", ".wld")  # names that GDAL gives to the transform of a TIFF beside it
_PLACES = (b"<SRS", b"<GeoTransform", b"<GCPList")  # in GDAL's .aux.xml, which mostly holds statistics alone
_WIDTH, _HEIGHT = 256, 257  # tags of TIFF 6.0
_BIG = 43  # version of a BigTIFF, whose head has 16 bytes instead of 8
_DIGITS = 12  # of a transform that is told: 0.01 mm of metres in UTM, so that a copy lies where its source does
_SQUARE = 0.02  # pixels whose sides differ by less are looked at as they are
_ROWS = 1536  # rows of a window and what lies between two, for nearly all rasters
_CACHE = (64, 400)  # MB, least and most, that GDAL keeps of decoded blocks


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The pixels of a window, black where there are none; `valid` says where there are, None for everywhere."""

    tile: Tile
    pixels: Image
    valid: Bool[np.ndarray, "height width"] | None

    @property
    def empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self.valid is not None and not self.valid.any()


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """A raster file that is open, of `width` x `height` pixels.

    `bands` are the numbers of red, green and blue, from 1. `levels` are the values that become 0 and 255. `masked` says
    that some pixels hold nothing. `coordinates` are None where the file does not say where it lies. Windows are cut out
    of a `frame` of (width, height) pixels, which are square on the ground: those of the file, if these are.
    """

    path: Path
    dataset: Any
    width: int
    height: int
    bands: tuple[int, int, int]
    levels: tuple[float, float]
    masked: bool
    coordinates: Coordinates | None
    frame: tuple[int, int]

    def read(self, tile: Tile) -> Window:
        """Return a window of the frame; one thread at a time.

        Raises:
            ImageError: if the file is damaged there.
        """
        from rasterio.enums import Resampling
        from rasterio.errors import RasterioError

        shape, bands = (tile.height, tile.width), sorted(set(self.bands))
        way = Resampling.nearest if self.frame == (self.width, self.height) else Resampling.bilinear
        try:
            values = self.dataset.read(bands, window=self._place(tile), out_shape=(len(bands), *shape), resampling=way)
            valid = self.valid(tile, shape)
        except (RasterioError, OSError) as error:
            raise ImageError(
                f"{self.path}: cannot be decoded at column {tile.left}, row {tile.top} ({error}); copy it again"
            ) from error
        order = [bands.index(band) for band in self.bands]
        pixels = stretched(values[order].transpose(1, 2, 0), self.levels)
        if valid is not None:
            pixels[~valid] = 0
        return Window(tile, pixels, valid)

    @property
    def place(self) -> str:
        """Where the raster lies, in a line: its coordinate system and transform; "" without coordinates."""
        if self.coordinates is None:
            return ""
        numbers = (f"{number:.{_DIGITS}g}" for number in self.coordinates.transform)
        return " ".join((self.dataset.crs.to_string(), *numbers))

    @property
    def gsd(self) -> float | None:
        """Millimetres of ground in a pixel of the frame; None without coordinates."""
        if self.coordinates is None:
            return None
        part = self.width * self.height / (self.frame[0] * self.frame[1])
        return self.coordinates.gsd() * math.sqrt(part)

    def valid(self, tile: Tile, shape: tuple[int, int]) -> Bool[np.ndarray, "_ _"] | None:
        """Return where a window of the frame has pixels, sampled at (rows, columns) points; None for everywhere."""
        if not self.masked:
            return None
        bands = sorted(set(self.bands))
        masks = self.dataset.read_masks(bands, window=self._place(tile), out_shape=(len(bands), *shape))
        return np.asarray((masks > 0).any(axis=0))

    def _place(self, tile: Tile) -> Any:
        """Return a window of the frame as one of the file."""
        from rasterio.windows import Window as Place

        x, y = self.width / self.frame[0], self.height / self.frame[1]
        return Place(tile.left * x, tile.top * y, tile.width * x, tile.height * y)


def is_raster(path: Path) -> bool:
    """Return whether a file is a TIFF with coordinates, or one with more pixels than a photo may have.

    Coordinates may also be in a file beside it: a world file, or GDAL's .aux.xml. Any other file, a broken one too, is
    a photo, and told as such.
    """
    if path.suffix.lower() not in RASTER_SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            tags = _tags(stream)
            located = bool(_GEO_TAGS & set(tags)) or _located_beside(path)
            return located or tags[_WIDTH] * tags[_HEIGHT] > MOST_PIXELS
    except Exception:  # Pillow raises many classes on a file that is broken
        return False


def _tags(stream: BinaryIO) -> ImageFileDirectory_v2:
    """Return the first directory of a TIFF, whatever its pixels are: Pillow as a whole knows few kinds of them."""
    head = stream.read(8)
    if _BIG in head[2:4]:
        head += stream.read(8)
    tags = ImageFileDirectory_v2(head)
    stream.seek(tags.next)
    tags.load(stream)
    return tags


def _located_beside(path: Path) -> bool:
    """Return whether a file beside a TIFF says where it lies; rasterio, which may not be installed, is not asked."""
    names = (path.with_suffix(one) for suffix in _WORLD_FILES for one in (suffix, suffix.upper()))
    if any(name.is_file() for name in names):
        return True
    facts = path.with_name(f"{path.name}.aux.xml")
    content = facts.read_bytes() if facts.is_file() else b""
    return any(place in content for place in _PLACES)


def only_raster(paths: Sequence[Path]) -> Path | None:
    """Return the raster, if that is all there is to look at."""
    return paths[0] if len(paths) == 1 and is_raster(paths[0]) else None


def rasters_among(paths: Sequence[Path]) -> list[Path]:
    """Return the rasters that are taken as photos: those among several files, or in a folder.

    Raises:
        ImageError: as `name_photos`.
    """
    return [] if only_raster(paths) else [photo for photo in name_photos(paths).values() if is_raster(photo)]


@contextmanager
def opened(path: Path) -> Iterator[Raster]:
    """Give the raster in a file, open as long as the block runs.

    Raises:
        ImageError: if it is no raster, or has bands or values that cannot be looked at.
        MissingExtraError: if rasterio is not installed.
    """
    with needing("geo", str(path)):
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # told in our own words where it matters
        try:
            dataset = rasterio.open(path, driver="GTiff")
        except RasterioError as error:
            raise ImageError(
                f"{path}: cannot be opened as a raster ({error}), expected a GeoTIFF; export it anew"
            ) from error
        with dataset, rasterio.Env(GDAL_CACHEMAX=_cache(dataset)):
            try:
                raster = _raster(path, dataset)
            except RasterioError as error:
                raise ImageError(
                    f"{path}: cannot be read ({error}), it may be cut off; copy or export it anew"
                ) from error
            yield raster


def stretched(values: np.ndarray, levels: tuple[float, float]) -> Image:
    """Return values as uint8: `levels` become 0 and 255, what is between them in proportion.

    >>> stretched(np.array([[[0, 500, 1000]]], dtype=np.uint16), (0, 1000)).tolist()
    [[[0, 128, 255]]]
    """
    if values.dtype == np.uint8 and levels == (0, 255):
        return np.ascontiguousarray(values)
    low, high = levels
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return np.ascontiguousarray(np.clip(scaled + 0.5, 0, 255).astype(np.uint8))


def _cache(dataset: Any) -> int:
    """Return the megabytes of a row of windows: a file in strips is then decoded once for all of them."""
    row = dataset.width * _ROWS * dataset.count * np.dtype(dataset.dtypes[0]).itemsize / 1e6
    return int(min(max(row, _CACHE[0]), _CACHE[1]))


def _raster(path: Path, dataset: Any) -> Raster:
    from rasterio.enums import MaskFlags

    bands = _bands(path, dataset)
    masked = any(MaskFlags.all_valid not in dataset.mask_flag_enums[band - 1] for band in bands)
    where = _coordinates(dataset)
    size = dataset.width, dataset.height
    frame = size if where is None else _square_frame(size, where.pixel_sides())
    levels = (0.0, 255.0) if dataset.dtypes[bands[0] - 1] == "uint8" else _levels(dataset, bands)
    return Raster(path, dataset, *size, bands, levels, masked, where, frame)


def _bands(path: Path, dataset: Any) -> tuple[int, int, int]:
    """Return the bands of red, green and blue: as the file names them, else the first three; one band is grey.

    Raises:
        ImageError: if there are none that can be looked at.
    """
    from rasterio.enums import ColorInterp

    colours = list(enumerate(dataset.colorinterp, start=1))
    if any(colour == ColorInterp.palette for _, colour in colours):
        raise ImageError(f"{path}: has a palette, expected red, green and blue; expand it: gdal_translate -expand rgb")
    rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    named = [number for wanted in rgb for number, colour in colours if colour == wanted]
    placed = [number for number, colour in colours if colour != ColorInterp.alpha]
    if len(placed) in {0, 2}:
        raise ImageError(
            f"{path}: has {len(placed)} bands of colour, expected one, or three and more; export red, green, blue"
        )
    one, two, three = named if len(named) == 3 else (placed * 3)[:3] if len(placed) == 1 else placed[:3]
    kinds = {str(dataset.dtypes[number - 1]) for number in (one, two, three)}
    if kinds not in ({"uint8"}, {"uint16"}):
        raise ImageError(f"{path}: has {' and '.join(sorted(kinds))} values, expected 8 or 16 bits; export it as such")
    return one, two, three


def _coordinates(dataset: Any) -> Coordinates | None:
    """Return where the raster lies, None if it does not say so in a system that belongs to the earth."""
    from rasterio.errors import CRSError, RasterioError

    if dataset.crs is None or not (dataset.crs.is_projected or dataset.crs.is_geographic):
        return None
    where = Coordinates(dataset.crs.to_wkt(), tuple(dataset.transform)[:6], dataset.width, dataset.height)
    try:
        area = where.pixel_area()
    except (CRSError, RasterioError, np.linalg.LinAlgError):
        return None
    return where if np.isfinite(area) and area > 0 else None


def _square_frame(size: tuple[int, int], sides: tuple[float, float]) -> tuple[int, int]:
    """Return the size of a frame whose pixels are square, with the finer side of those of the file.

    >>> _square_frame((1000, 500), (0.5, 1.0)), _square_frame((1000, 500), (1.0, 1.01))
    ((1000, 1000), (1000, 500))
    """
    if max(sides) <= (1 + _SQUARE) * min(sides):
        return size
    finest = min(sides)
    return round(size[0] * sides[0] / finest), round(size[1] * sides[1] / finest)


def _levels(dataset: Any, bands: tuple[int, int, int]) -> tuple[float, float]:
    """Return the values of 16 bits that become 0 and 255: one pair for all windows and bands, so that colours stay."""
    scale = min(1.0, OVERVIEW_SIDE / max(dataset.width, dataset.height))
    shape = (len(set(bands)), max(1, round(dataset.height * scale)), max(1, round(dataset.width * scale)))
    chosen = sorted(set(bands))
    values = dataset.read(chosen, out_shape=shape)[dataset.read_masks(chosen, out_shape=shape) > 0]
    low, high = np.percentile(values, _STRETCH).tolist() if len(values) else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1)
