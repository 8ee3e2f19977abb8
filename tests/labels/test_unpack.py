"""Unpacking: nothing outside the folder, all or nothing."""

import stat
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from spica.errors import DownloadError
from spica.labels.unpack import unpack


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def test_every_file_is_unpacked(tmp_path: Path) -> None:
    unpack(zipped(tmp_path / "a.zip", {"train.csv": b"1", "train/a.jpg": b"2"}), tmp_path / "new" / "out")
    assert (tmp_path / "new" / "out" / "train" / "a.jpg").read_bytes() == b"2"


def test_a_single_folder_at_the_top_is_left_away(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    unpack(zipped(tmp_path / "a.zip", {"top/a": b"1", "top/b/c": b"2", "top/.DS_Store": b""}), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:/evil", "C:\\evil"])
def test_a_path_out_of_the_folder_is_refused_and_nothing_unpacked(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "a.zip", {"good": b"1", name: b"2"})
    with pytest.raises(DownloadError, match="leads out of the folder; do not use it"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(DownloadError, match="leads out of the folder"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_damaged_file_in_the_archive_is_found_and_nothing_is_left(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"good": b"1", "bad": b"abcdefgh"})
    archive.write_bytes(archive.read_bytes().replace(b"abcdefgh", b"abcdefgX"))
    with pytest.raises(DownloadError, match="is not a sound zip archive"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_what_does_not_fit_on_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(9, 9, 3))
    with pytest.raises(DownloadError, match="are free; make space"):
        unpack(zipped(tmp_path / "a.zip", {"a": b"12345"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="has no name of its own"):
        unpack(zipped(tmp_path / "a.zip", {"a": b"1"}), Path())


def test_a_full_folder_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": b"1"})
    with pytest.raises(DownloadError, match="not empty"):
        unpack(archive, tmp_path)


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": b"1"})
    with pytest.raises(DownloadError, match="cannot be written"):
        unpack(archive, archive / "out")
