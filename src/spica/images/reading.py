"""Reading photos: one RGB array whatever the format, one ImageError whatever goes wrong."""

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow
from PIL import ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from simplejpeg import decode_jpeg

from spica.errors import ImageError
from spica.image import Image

# Pillow's own hard limit, 13,377 x 13,377: a file of a few kilobytes can claim more and fill the memory.
MOST_PIXELS = 178_956_970

_WARNS_FROM = MOST_PIXELS // 2  # pixels; from here on Pillow warns when it decodes a TIFF
_ORIENTATION_TAG = 0x0112  # EXIF: 1 to 8, how the camera was held
_TURNED = (5, 6, 7, 8)  # orientations that swap width and height
_BITS_TAG, _PHOTOMETRIC_TAG, _WHITE_IS_ZERO = 258, 262, 0  # TIFF 6.0, baseline tags
_COMPRESSION_TAG, _UNCOMPRESSED, _PLANES_TAG, _PLANE_BY_PLANE = 259, 1, 284, 2  # likewise
_PNG_METADATA = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
_EXPECTED = "expected a JPEG, PNG, TIFF, WebP, BMP or MPO photo"
_filters = threading.Lock()
# What puts a photo upright, by its EXIF orientation. Source: CIPA DC-008, Exif 2.32, tag Orientation.
_UPRIGHT: dict[int, Callable[[Image], Image]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1],
    7: lambda pixels: pixels.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda pixels: pixels.transpose(1, 0, 2)[::-1],
}

_Reader: TypeAlias = Callable[[Any], ImageFile]


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo's pixels, which may be fewer than those of the file; `width` and `height` are the whole photo's."""

    pixels: Image
    width: int
    height: int


def read_image(path: Path | str) -> Image:
    """Return a photo as RGB, uint8, shape (height, width, 3), writable.

    The format is told by the content: JPEG, PNG, TIFF, WebP, BMP or MPO; of several frames the first is read. The EXIF
    orientation is applied. 16-bit values are divided by 257, so that 0 stays 0 and 65535 becomes 255 (Pillow keeps the
    high byte of each where a 16-bit file has colours); 12-bit values likewise. Transparent parts become black, colour
    profiles are ignored. Floating point, 32-bit and signed values are refused: their range is not declared. So are
    uncompressed TIFFs with 16-bit values plane by plane: Pillow would take half values for whole ones.

    Raises:
        ImageError: if the file is missing, not a photo, damaged, larger than `MOST_PIXELS` or of a refused kind.
    """
    return read_photo(Path(path)).pixels


def read_photo(path: Path, least_side: int | None = None) -> Photo:
    """Return a photo as `read_image` does, or a JPEG with fewer pixels, if its longer side keeps `least_side` of them.

    A JPEG can be decoded at 1/8 to 7/8 of its size, which is much quicker than to decode it whole and resize it.

    Raises:
        ImageError: as `read_image`.
    """
    with decoding(path) as image:
        width, height = _upright_size(image)
        if isinstance(image, JpegImageFile) and image.mode in {"RGB", "L"}:
            return Photo(_decoded_jpeg(image, least_side), width, height)
        if isinstance(image, TiffImageFile):
            _check_planes(image, path)
        with _quiet_about_size(image):
            image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return Photo(_rgb(image, path), width, height)


def _decoded_jpeg(image: JpegImageFile, least_side: int | None) -> Image:
    """Return the pixels of a JPEG, upright: the same as Pillow's, four times faster, and at a reduced size if allowed.

    Without `least_side`, or where it is more than the photo has, the photo is decoded whole.
    """
    width, height = image.size
    longer = "min_width" if width > height else "min_height"
    least = max(width, height) if least_side is None else min(least_side, max(width, height))
    stream: Any = image.fp
    stream.seek(0)
    pixels = decode_jpeg(stream.read(), colorspace="RGB", **{longer: least})
    return np.ascontiguousarray(_UPRIGHT.get(exif_of(image).get(_ORIENTATION_TAG, 1), _UPRIGHT[1])(pixels))


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of a photo as `read_image` gives it, from the file's header.

    Only a PNG with metadata behind its pixels is decoded: its orientation may stand there.

    Raises:
        ImageError: if the file is missing, not a photo, larger than `MOST_PIXELS`, or its header is damaged.
    """
    with decoding(path) as image:
        return _upright_size(image)


def _upright_size(image: ImageFile) -> tuple[int, int]:
    width, height = image.size
    # Pillow has already swapped the size of a TIFF.
    if not isinstance(image, TiffImageFile) and exif_of(image).get(_ORIENTATION_TAG, 1) in _TURNED:
        return height, width
    return width, height


def exif_of(image: ImageFile) -> Pillow.Exif:
    """Return the EXIF tags; `PngImageFile.getexif` itself decodes the pixels, whether it has to or not."""
    if isinstance(image, PngImageFile) and not _has_metadata_behind(image):
        return Pillow.Image.getexif(image)
    return image.getexif()


def _has_metadata_behind(image: PngImageFile) -> bool:
    """Return whether a PNG file has text or EXIF chunks after its pixels.

    Source: PNG specification, third edition, section 5.3, chunk layout.
    """
    stream: Any = image.fp
    place, kind, behind = stream.tell(), b"", False
    stream.seek(8)  # the signature
    while len(head := stream.read(8)) == 8 and kind != b"IEND":
        behind |= kind == b"IDAT"
        kind = head[4:]
        if behind and kind in _PNG_METADATA:
            break
        stream.seek(int.from_bytes(head[:4]) + 4, os.SEEK_CUR)  # the data and its checksum
    stream.seek(place)  # where Pillow wants to go on
    return behind and kind in _PNG_METADATA


@contextmanager
def decoding(path: Path) -> Iterator[ImageFile]:
    """Open a photo and turn whatever Pillow raises on it into an ImageError.

    Raises:
        ImageError: if the file cannot be opened, or its content not be decoded.
    """
    try:
        if path.is_dir():
            raise ImageError(f"{path}: is a folder, {_EXPECTED}; name the photos in it")
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: is not a file, {_EXPECTED}; a pipe or device cannot be read")
        with path.open("rb") as stream:
            reader = _reader(stream.read(16), path)
            stream.seek(0)
            image = reader(stream)
            _check_size(image.size, path)
            yield image
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file, {_EXPECTED}; check the path") from error
    except PermissionError as error:
        raise ImageError(f"{path}: may not be read ({error.strerror}); change its permissions") from error
    except Pillow.DecompressionBombError as error:
        raise ImageError(_too_large(path)) from error
    except MemoryError as error:
        raise ImageError(f"{path}: does not fit into memory; scale the photo down or cut it into parts") from error
    # Damaged files make Pillow raise OSError, SyntaxError, ValueError, TypeError, IndexError, struct.error and others.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ImageError(
            f"{path}: cannot be decoded ({reason}), expected a complete photo; copy it again or export it anew"
        ) from error


def _reader(start: bytes, path: Path) -> _Reader:
    """Return the Pillow class for a file that begins with `start`.

    The classes are called themselves, not through `PIL.Image.open`: that warns about sizes far below our limit, tries
    more formats, and warnings can only be silenced for all threads at once.

    Raises:
        ImageError: if the file is empty or of another format.
    """
    if not start:
        raise ImageError(f"{path}: is empty (0 bytes), {_EXPECTED}; copy it again")
    if start.startswith(b"\xff\xd8\xff"):
        return JpegImageFile  # an MPO is a JPEG with more frames behind it
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return TiffImageFile
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return WebPImageFile
    if start.startswith(b"BM"):
        return BmpImageFile
    if start[4:8] == b"ftyp":
        raise ImageError(f"{path}: is HEIC, HEIF or AVIF by its content, or a film, {_EXPECTED}; convert it")
    raise ImageError(f"{path}: begins with {start[:8]!r}, {_EXPECTED}; convert it")


def _check_size(size: tuple[int, int], path: Path) -> None:
    """Refuse photos that would fill the memory.

    Raises:
        ImageError: if there are more pixels than `MOST_PIXELS`.
    """
    if size[0] * size[1] > MOST_PIXELS:
        raise ImageError(_too_large(path, f"{size[0]} x {size[1]} pixels"))


def _check_planes(image: TiffImageFile, path: Path) -> None:
    """Refuse TIFFs that Pillow decodes to garbage: it takes the bytes of each plane for values of 8 bits.

    Compressed ones are decoded by libtiff, which knows better.

    Raises:
        ImageError: if values of more than 8 bits are stored plane by plane and not compressed.
    """
    tags = image.tag_v2
    bits = max(tags.get(_BITS_TAG, (1,)))
    by_plane = tags.get(_PLANES_TAG) == _PLANE_BY_PLANE
    if bits > 8 and by_plane and tags.get(_COMPRESSION_TAG, _UNCOMPRESSED) == _UNCOMPRESSED:
        raise ImageError(
            f"{path}: stores {bits}-bit values plane by plane, expected them pixel by pixel; export it interleaved"
        )


def _too_large(path: Path, found: str = "too many pixels") -> str:
    return f"{path}: has {found}, expected at most {MOST_PIXELS:,} in all; scale it down or cut it into parts"


@contextmanager
def _quiet_about_size(image: ImageFile) -> Iterator[None]:
    """Silence Pillow's warning about large TIFFs; one at a time, because filters belong to all threads."""
    large = isinstance(image, TiffImageFile) and image.size[0] * image.size[1] > _WARNS_FROM
    with _filters if large else nullcontext(), warnings.catch_warnings() if large else nullcontext():
        if large:
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
        yield


def _rgb(image: ImageFile, path: Path) -> Image:
    """Return the pixels as RGB.

    Raises:
        ImageError: if the range of the values is not known.
    """
    if image.mode.startswith("I;16"):
        return _rgb_from_16_bits(image)
    if image.mode in {"I", "F"}:
        kind = "floating point" if image.mode == "F" else "32-bit or signed"
        raise ImageError(f"{path}: has {kind} values of unknown range, expected 8 or 16 bits; export it as such")
    if not image.has_transparency_data:
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    black = Pillow.new("RGBA", image.size, (0, 0, 0, 255))
    return np.array(Pillow.alpha_composite(black, image.convert("RGBA")).convert("RGB"))


def _rgb_from_16_bits(image: ImageFile) -> Image:
    """Return grey values of up to 16 bits as RGB, scaled linearly from the declared range to 0 to 255."""
    grey = np.array(image).astype(np.uint32)
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    bits = int(tags.get(_BITS_TAG, (16,))[0])
    highest = 2**bits - 1
    scaled: UInt8[np.ndarray, "h w"] = ((np.minimum(grey, highest) * 255 + highest // 2) // highest).astype(np.uint8)
    if tags.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        scaled = np.uint8(255) - scaled
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        scaled[grey == transparent] = 0
    return np.repeat(scaled[:, :, None], 3, axis=2)
