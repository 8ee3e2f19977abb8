"""Facts about reading, writing and finding photos."""

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from spica.errors import ImageError, OutputError
from spica.images import (
    MOST_PIXELS,
    find_images,
    image_size,
    mark_drawn,
    name_photos,
    read_image,
    write_atomically,
    write_image,
    written_atomically,
)

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "MPO")


def scene(width: int = 24, height: int = 16) -> Pillow.Image:
    """Return a photo whose four quarters are red, green, blue and white."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = 255
    return Pillow.fromarray(pixels)


def encoded(image: Pillow.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def saved(folder: Path, content: bytes, name: str = "photo.jpg") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def png(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    """Return a PNG file with a header that says what the caller wants it to say."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, *, kind: int = 1, bits: int = 16, photometric: int = 1, order: str = "<") -> bytes:
    """Return an uncompressed TIFF of `values`, shape (h, w, samples), written in byte order `order`."""
    height, width, samples = values.shape
    data = values.astype(values.dtype.newbyteorder("<" if order == "<" else ">")).tobytes()
    after = 8 + 2 + 12 * 10 + 4
    depths, kinds = struct.pack(f"{order}4H", *[bits] * 4), struct.pack(f"{order}4H", *[kind] * 4)
    one = samples == 1
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, samples, bits if one else after), (259, 3, 1, 1),
        (262, 3, 1, photometric), (273, 4, 1, after + 16), (277, 3, 1, samples), (278, 3, 1, height),
        (279, 4, 1, len(data)), (339, 3, samples, kind if one else after + 8),
    ]  # fmt: skip
    out = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(entries))
    for tag, size, count, value in entries:
        short = size == 3 and count == 1
        out += struct.pack(f"{order}HHIHH" if short else f"{order}HHII", tag, size, count, value, *[0] * short)
    return out + struct.pack(f"{order}I", 0) + depths + kinds + data


def tiff_by_planes(values: np.ndarray, *, deflated: bool = False) -> bytes:
    """Return a TIFF of colours, shape (h, w, 3), that holds all red values, then all green, then all blue ones."""
    height, width, _ = values.shape
    planes = [plane.astype(values.dtype.newbyteorder("<")).tobytes() for plane in np.moveaxis(values, 2, 0)]
    planes = [zlib.compress(plane) for plane in planes] if deflated else planes
    after = 8 + 2 + 12 * 10 + 4
    sizes = [len(plane) for plane in planes]
    starts = [after + 30 + sum(sizes[:number]) for number in range(3)]
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, after), (259, 3, 1, 8 if deflated else 1), (262, 3, 1, 2),
        (273, 4, 3, after + 6), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 3, after + 18), (284, 3, 1, 2),
    ]  # fmt: skip
    out = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries)
    out += struct.pack("<I3H3I3I", 0, *[8 * values.itemsize] * 3, *starts, *sizes)
    return out + b"".join(planes)


def ramp(samples: int = 1, highest: int = 65535, dtype: str = "u2") -> np.ndarray:
    """Return two equal rows with all values from 0 to `highest` in 256 steps, shape (2, 256, samples)."""
    row = np.round(np.linspace(0, highest, 256)).astype(dtype)
    return np.tile(row[None, :, None], (2, 1, samples))


# --- what is read


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_by_its_content_whatever_its_name(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, encoded(scene(), kind), "photo.something")
    photo = read_image(path)
    assert photo.shape == (16, 24, 3)
    assert photo.dtype == np.uint8
    assert photo.flags.writeable
    assert np.abs(photo.astype(int) - np.asarray(scene()).astype(int)).mean() < 20
    assert image_size(path) == (24, 16)


def test_mpo_gives_its_first_frame(tmp_path: Path) -> None:
    second = Pillow.new("RGB", (24, 16), "black")
    path = saved(tmp_path, encoded(scene(), "MPO", save_all=True, append_images=[second]))
    assert read_image(path).mean() > 80


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_pixels_and_size(kind: str, orientation: int, tmp_path: Path) -> None:
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }
    stored, exif = scene(48, 32), Pillow.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, encoded(stored, kind, exif=exif))
    photo, expected = read_image(path), turns[orientation](np.asarray(stored))
    assert photo.shape == expected.shape
    assert np.abs(photo.astype(int) - expected.astype(int)).mean() < 15
    assert image_size(path) == (photo.shape[1], photo.shape[0])


def test_orientation_behind_the_pixels_of_a_png_is_found(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    content = encoded(scene(48, 32), "PNG", exif=exif)
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    moved = content[:start] + content[end:-12] + content[start:end] + content[-12:]
    path = saved(tmp_path, moved)
    assert image_size(path) == (32, 48)
    assert read_image(path).shape == (48, 32, 3)


def test_size_is_read_without_the_pixels(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "BMP"):
        content = encoded(scene(300, 200), kind)
        assert image_size(saved(tmp_path, content[: len(content) // 2])) == (300, 200)


SIXTEEN_BITS = {
    "png grey": png(256, 2, depth=16, colour=0, rows=b"".join(b"\0" + r.astype(">u2").tobytes() for r in ramp())),
    "png rgb": png(256, 2, depth=16, colour=2, rows=b"".join(b"\0" + r.astype(">u2").tobytes() for r in ramp(3))),
    "tiff grey": tiff(ramp()),
    "tiff grey big-endian": tiff(ramp(), order=">"),
    "tiff rgb": tiff(ramp(3), photometric=2),
    "tiff rgb big-endian": tiff(ramp(3), photometric=2, order=">"),
}


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
def test_sixteen_bit_ramp_keeps_its_mean_and_its_ends(kind: str, tmp_path: Path) -> None:
    photo = read_image(saved(tmp_path, SIXTEEN_BITS[kind]))
    assert photo.mean() == pytest.approx(127.5, abs=0.01)
    assert photo[0, :, 1].tolist() == list(range(256))


@pytest.mark.parametrize(("deflated", "kind"), [(True, "u2"), (True, "u1"), (False, "u1")])
def test_colours_plane_by_plane_are_read_where_they_come_out_right(deflated: bool, kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(kind)
    stored = values * 257 if kind == "u2" else values
    path = saved(tmp_path, tiff_by_planes(stored, deflated=deflated), "planes.tif")
    assert (read_image(path) == values).all()


def test_white_is_zero_is_honoured_for_sixteen_bits(tmp_path: Path) -> None:
    photo = read_image(saved(tmp_path, tiff(ramp(), photometric=0)))
    assert photo[0, :, 0].tolist() == list(range(255, -1, -1))


def test_twelve_bits_are_scaled_from_their_own_range(tmp_path: Path) -> None:
    packed = np.array([0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00], dtype=np.uint8)  # 4095, 4095, 0, 0
    whole = bytearray(tiff(np.zeros((1, 4, 1), dtype="u2"), bits=12))
    whole[-8:] = packed.tobytes()
    position = whole.index(struct.pack("<HHI", 279, 4, 1)) + 8
    whole[position : position + 4] = struct.pack("<I", 6)
    assert read_image(saved(tmp_path, bytes(whole)))[0, :, 0].tolist() == [255, 255, 0, 0]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_other_colour_modes_become_rgb(mode: str, tmp_path: Path) -> None:
    image = scene().convert(mode)
    photo = read_image(saved(tmp_path, encoded(image, "TIFF")))
    assert np.abs(photo.astype(int) - np.asarray(image.convert("RGB")).astype(int)).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_transparent_parts_become_black(mode: str, tmp_path: Path) -> None:
    image = Pillow.new("RGBA", (4, 2), (200, 200, 200, 255))
    image.putpixel((1, 1), (200, 200, 200, 0))
    if mode == "PA":
        image = image.quantize(4)
    photo = read_image(saved(tmp_path, encoded(image if mode == "PA" else image.convert(mode), "PNG")))
    assert photo[1, 1].tolist() == [0, 0, 0]
    assert photo[0, 0].tolist() == [200, 200, 200]


def test_transparent_colour_of_a_sixteen_bit_png_becomes_black(tmp_path: Path) -> None:
    image = Pillow.fromarray(np.full((2, 2), 40000, dtype=np.uint16))
    photo = read_image(saved(tmp_path, encoded(image, "PNG", transparency=40000)))
    assert photo.max() == 0


def test_reading_works_from_several_threads(tmp_path: Path) -> None:
    path = saved(tmp_path, encoded(scene(), "PNG"))
    means: list[float] = []
    threads = [threading.Thread(target=lambda: means.append(float(read_image(path).mean()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(means)) == 1
    assert len(means) == 8


# --- what is refused

_JPEG, _PNG = encoded(scene(200, 200), "JPEG"), encoded(scene(200, 200), "PNG")
_WEBP, _BMP = encoded(scene(200, 200), "WEBP"), encoded(scene(200, 200), "BMP")
_TIFF, _LZW = encoded(scene(200, 200), "TIFF"), encoded(scene(200, 200), "TIFF", compression="tiff_lzw")
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "one byte": (b"\xff", "begins with"),
    "text": (b"this is no photo at all", "begins with"),
    "html page": (b"<!DOCTYPE html><html>404</html>", "begins with"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\n", "begins with"),
    "zip": (b"PK\x03\x04" + bytes(40), "begins with"),
    "pdf": (b"%PDF-1.7\n" + bytes(40), "begins with"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(40), "is HEIC, HEIF or AVIF by its content"),
    "gif": (encoded(scene(), "GIF"), "begins with"),
    "ico": (encoded(scene(), "ICO"), "begins with"),
    "pcx": (encoded(scene(), "PCX"), "begins with"),
    "ppm": (encoded(scene(), "PPM"), "begins with"),
    "jpeg 2000": (encoded(scene(), "JPEG2000"), "begins with"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "begins with"),
    "wav file": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(30), "begins with"),
    "zeros": (bytes(1000), "begins with"),
    "jpeg header only": (_JPEG[:20], "cannot be decoded"),
    "jpeg without its end": (_JPEG[: len(_JPEG) // 2], "cannot be decoded"),
    "jpeg start marker only": (b"\xff\xd8\xff", "cannot be decoded"),
    "png header only": (_PNG[:33], "cannot be decoded"),
    "png signature only": (_PNG[:8], "cannot be decoded"),
    "png without its end": (_PNG[: len(_PNG) // 2], "cannot be decoded"),
    "png with a wrong checksum": (_PNG[:29] + b"\0\0\0\0" + _PNG[33:], "cannot be decoded"),
    "png without width": (png(0, 5, depth=8, colour=2, rows=b""), "cannot be decoded"),
    "png of unknown depth": (png(5, 5, depth=3, colour=2, rows=b""), "cannot be decoded"),
    "png bomb": (png(60_000, 60_000, depth=8, colour=2, rows=b""), "60000 x 60000 pixels"),
    "tiff signature only": (_TIFF[:8], "cannot be decoded"),
    "tiff without its end": (_TIFF[: len(_TIFF) // 2], "cannot be decoded"),
    "compressed tiff without its end": (_LZW[: len(_LZW) // 2], "cannot be decoded"),
    "tiff of floats": (tiff(ramp(dtype="f4"), kind=3, bits=32), "floating point"),
    "tiff of 32 bits": (tiff(ramp(dtype="u4"), bits=32), "32-bit or signed"),
    "tiff of signed values": (tiff(ramp(highest=32767, dtype="i2"), kind=2), "32-bit or signed"),
    "tiff of 16-bit colours by planes": (tiff_by_planes(ramp(3)), "stores 16-bit values plane by plane"),
    "webp signature only": (_WEBP[:12], "cannot be decoded"),
    "webp without its end": (_WEBP[: len(_WEBP) // 2], "cannot be decoded"),
    "bmp signature only": (b"BM", "cannot be decoded"),
    "bmp without its end": (_BMP[: len(_BMP) // 2], "cannot be decoded"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about tags; the error says all
@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_one_error_that_names_file_and_reason(kind: str, tmp_path: Path) -> None:
    content, reason = BAD[kind]
    path = saved(tmp_path, content, "bad photo.jpg")
    with pytest.raises(ImageError, match=r"bad photo\.jpg") as caught:
        read_image(path)
    assert reason in str(caught.value)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: there is no such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        image_size(tmp_path)
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    with pytest.raises(ImageError, match=r"pipe\.jpg: is not a file"):
        read_image(pipe)


@pytest.mark.parametrize("name", ["nul\0byte.jpg", "x" * 300 + ".jpg"])
def test_impossible_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        read_image(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, _JPEG)
    path.chmod(0)
    with pytest.raises(ImageError, match="permissions"):
        read_image(path)


def test_refused_permission_is_an_image_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = saved(tmp_path, _JPEG)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=r"photo\.jpg: may not be read"):
        read_image(path)


def test_size_of_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    side = int(MOST_PIXELS**0.5) + 1
    path = saved(tmp_path, png(side, side, depth=8, colour=2, rows=b""))
    with pytest.raises(ImageError, match="expected at most"):
        image_size(path)


def test_photos_that_pillow_warns_about_give_no_warning(tmp_path: Path) -> None:
    header = saved(tmp_path, png(10_000, 10_000, depth=8, colour=2, rows=b""))
    Pillow.new("1", (10_000, 9_000)).save(tmp_path / "large", "TIFF", compression="group4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_size(header) == (10_000, 10_000)
        assert read_image(tmp_path / "large")[::500].max() == 0


VALID = {kind: encoded(scene(40, 30), kind) for kind in FORMATS} | {"16 bits": tiff(ramp()), "LZW": _LZW}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", VALID)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_gives_a_photo_or_an_image_error_and_nothing_else(
    kind: str, data: st.DataObject, tmp_path: Path
) -> None:
    content = bytearray(VALID[kind])
    # Headers lie in front, the tags of a TIFF behind: damage there does most.
    place = st.integers(0, min(len(content), 400) - 1) | st.integers(1, min(len(content), 400)).map(lambda i: -i)
    for position, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=6)):
        content[position] = value
    path = saved(tmp_path, bytes(content[: data.draw(st.none() | st.integers(0, len(content)))]))
    with suppress(ImageError):
        size = image_size(path)
        if size[0] * size[1] < 4_000_000:  # larger ones are a matter of patience
            photo = read_image(path)
            assert photo.dtype == np.uint8
            assert photo.shape == (size[1], size[0], 3)


# --- writing


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_written_photo_is_read_back(suffix: str, tmp_path: Path) -> None:
    photo = np.asarray(scene(64, 64)).copy()
    write_image(tmp_path / f"out{suffix}", photo, quality=95)
    back = read_image(tmp_path / f"out{suffix}")
    assert np.abs(back.astype(int) - photo.astype(int)).mean() < 5


def test_unknown_suffix_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="suffix"):
        write_image(tmp_path / "out.gif", np.zeros((2, 2, 3), dtype=np.uint8))


def test_writing_replaces_the_old_content_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", b"old")
    write_atomically(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_an_exception_while_writing_keeps_the_old_content(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", b"old")
    with suppress(KeyboardInterrupt), written_atomically(tmp_path / "a.txt") as stream:
        stream.write(b"half of the ne")
        raise KeyboardInterrupt
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_error_of_something_else_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), written_atomically(tmp_path / "a.txt"):
        (tmp_path / "elsewhere").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_is_blamed_on_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import os, resource, sys; from pathlib import Path; import spica.images as images\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: images.write_atomically(Path(sys.argv[1]), b'x' * 10**6)\n"
        "except images.writing.OutputError as error: print(error)"
    )
    source = str(Path(__file__).parents[1] / "src")
    command = [sys.executable, "-c", code, str(tmp_path / "a.txt")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": source}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/a.txt: cannot be written (File too large)")
    assert list(tmp_path.iterdir()) == []


def test_a_photo_too_wide_for_its_format_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"wide\.jpg: 66000 x 1 pixels cannot be written as JPEG"):
        write_image(tmp_path / "wide.jpg", np.zeros((1, 66000, 3), dtype=np.uint8))
    with pytest.raises(ImageError, match=r"wide\.webp: 17000 x 1 pixels cannot be written as WEBP"):
        write_image(tmp_path / "wide.webp", np.zeros((1, 17000, 3), dtype=np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_two_files_may_be_written_at_once(tmp_path: Path) -> None:
    with written_atomically(tmp_path / "a") as first, written_atomically(tmp_path / "b") as second:
        first.write(b"1")
        second.write(b"2")
    assert (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes() == b"12"


def test_writing_makes_no_folders_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="missing"):
        write_atomically(tmp_path / "missing" / "a.txt", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError):
        write_atomically(tmp_path / "folder", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_killed_writer_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    code = (
        "import os, sys; from pathlib import Path; from spica.images import written_atomically\n"
        "with written_atomically(Path(sys.argv[1])) as stream: stream.write(b'x' * 10**6); stream.flush(); os._exit(9)"
    )
    source = str(Path(__file__).parents[1] / "src")
    done = subprocess.run([sys.executable, "-c", code, path], env={**os.environ, "PYTHONPATH": source}, check=False)
    assert done.returncode == 9
    assert path.read_bytes() == b"old"


# --- finding


def grow(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_folders_are_searched_to_the_bottom_in_order(tmp_path: Path) -> None:
    grow(tmp_path, "b.JPG", "a/z.png", "a/b/c.tiff", "notes.txt", ".hidden.jpg", ".cache/x.jpg", "c.webp")
    names = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]
    assert names == ["a/b/c.tiff", "a/z.png", "b.JPG", "c.webp"]


def test_a_photo_named_twice_comes_once_and_a_named_file_needs_no_suffix(tmp_path: Path) -> None:
    grow(tmp_path, "a.jpg", "raw.dat")
    given_twice = [tmp_path / "raw.dat", tmp_path / "a.jpg", tmp_path, tmp_path / "." / "a.jpg"]
    assert [path.name for path in find_images(given_twice)] == ["raw.dat", "a.jpg"]


def test_folders_of_drawn_pictures_are_left_out_unless_named_themselves(tmp_path: Path) -> None:
    grow(tmp_path, "a.jpg", "out/pictures/a.jpg", "out/pictures/deep/b.jpg", "pictures/c.jpg")
    mark_drawn(tmp_path / "out" / "pictures")
    skipped: list[Path] = []
    assert [path.name for path in find_images([tmp_path], skipped=skipped.append)] == ["a.jpg", "c.jpg"]
    assert skipped == [tmp_path / "out" / "pictures"]
    assert [path.name for path in find_images([tmp_path / "out" / "pictures"])] == ["a.jpg", "b.jpg"]
    with pytest.raises(ImageError, match="that Spica did not draw itself"):
        name_photos([tmp_path / "out"])


def test_photos_of_formats_that_are_not_read_are_told_once_and_in_order(tmp_path: Path) -> None:
    grow(tmp_path, "b.HEIC", "a/z.dng", "a/z.jpg", "a.cr3", "notes.txt", ".hidden.heic", "out/c.gif", "gone/d.nef")
    mark_drawn(tmp_path / "out")
    unread: list[Path] = []
    given = [tmp_path / "a", tmp_path, tmp_path / "gone" / "d.nef"]  # a file that is named itself is no surprise
    assert list(name_photos(given, unread=unread.append)) == ["a/z.jpg", "gone/d.nef"]
    assert unread == [tmp_path / "a" / "z.dng", tmp_path / "a.cr3", tmp_path / "b.HEIC"]


def test_a_folder_of_photos_that_are_not_read_says_what_to_do(tmp_path: Path) -> None:
    grow(tmp_path, "x/2.heic", "x/1.heic")
    unread: list[Path] = []
    with pytest.raises(ImageError, match=r"no photo there, .*; convert 1\.heic and what is like it"):
        name_photos([tmp_path], unread=unread.append)
    assert [path.name for path in unread] == ["1.heic", "2.heic"]


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    grow(tmp_path, "photos/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "photos" / "up").symlink_to(tmp_path / "photos", target_is_directory=True)
    (tmp_path / "photos" / "side").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert [path.name for path in find_images([tmp_path / "photos"])] == ["a.jpg", "b.jpg"]


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="gone"):
        find_images([tmp_path / "gone"])


def test_photos_are_named_from_the_folder_that_holds_all_paths(tmp_path: Path) -> None:
    grow(tmp_path, "x/1.jpg", "y/1.jpg", "y/deep/1.jpg")
    assert list(name_photos([tmp_path / "y"])) == ["1.jpg", "deep/1.jpg"]
    assert list(name_photos([tmp_path / "x", tmp_path / "y"])) == ["x/1.jpg", "y/1.jpg", "y/deep/1.jpg"]
    assert list(name_photos([tmp_path / "x" / "1.jpg"])) == ["1.jpg"]
    assert list(name_photos([tmp_path / "x" / "1.jpg", tmp_path / "y" / "1.jpg"])) == ["x/1.jpg", "y/1.jpg"]


def test_a_folder_without_photos_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no photo there"):
        name_photos([tmp_path])
