"""Copies of photos: which are found, and that few files are read for it."""

import os
from pathlib import Path

import pytest

from spica.errors import ImageError
from spica.labels import copies
from spica.labels.copies import copies_among
from spica.labels.photofiles import digest


def put(folder: Path, contents: dict[str, bytes]) -> dict[str, Path]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def test_copies_are_the_same_to_the_last_byte_whatever_they_are_called(tmp_path: Path) -> None:
    photo, other = b"a" * 9000, b"a" * 8999 + b"b"
    photos = put(tmp_path, {"x.jpg": photo, "y.jpg": other, "x (1).jpg": photo, "z.jpg": b"", "n.jpg": b"", "q": b"q"})
    os.link(tmp_path / "y.jpg", tmp_path / "linked.jpg")
    found = copies_among({**photos, "linked.jpg": tmp_path / "linked.jpg"})
    assert found == (("x.jpg", "x (1).jpg"), ("y.jpg", "linked.jpg"), ("z.jpg", "n.jpg"))


def test_a_photo_that_cannot_be_read_is_a_copy_of_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = put(tmp_path, {"a.jpg": b"same", "b.jpg": b"same", "c.jpg": b"same"})

    def refuse_c(photo: Path) -> bytes:
        if photo.name == "c.jpg":
            raise ImageError("refused")
        return digest(photo)

    monkeypatch.setattr(copies, "digest", refuse_c)
    assert copies_among({"gone.jpg": tmp_path / "gone.jpg", **photos}) == (("a.jpg", "b.jpg"),)


def test_photos_of_one_size_are_not_read_whole_to_be_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(copies, "digest", read.append)
    rows = {f"{number}.bmp": bytes([number]) * 20_000 for number in range(9)}
    assert copies_among(put(tmp_path, rows)) == ()
    assert read == []
