"""Unpacking a zip archive into a new folder: nothing outside it, and all of it or nothing."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from spica.errors import DownloadError

_JUNK = ("__MACOSX/", ".DS_Store")  # what macOS adds to archives


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip archive as `folder`, new or empty, which appears when it is complete.

    A single folder at the top of the archive is left away. Every file is checked against its CRC-32 in the archive.

    Raises:
        DownloadError: if the archive is damaged, holds links or paths that lead out of it, or does not fit on the
            disk, or `folder` is not empty; nothing is left behind.
    """
    refuse_full(folder)
    staged = folder.with_name(f".{folder.name}-unpacked")
    shutil.rmtree(staged, ignore_errors=True)  # of a run that was killed
    try:
        staged.mkdir(parents=True)
        with zipfile.ZipFile(archive) as opened:
            _extract(opened, archive, staged)
        content = list(staged.iterdir())
        if folder.exists():
            folder.rmdir()
        (content[0] if len(content) == 1 and content[0].is_dir() else staged).rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as broken:
        raise DownloadError(f"{archive}: is not a sound zip archive ({broken}); delete it, download again") from broken
    except OSError as broken:
        raise DownloadError(f"{folder}: cannot be written ({broken.strerror}); check rights and space") from broken
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def refuse_full(folder: Path) -> None:
    """Refuse a folder that is there and not empty, or that cannot be made.

    Raises:
        DownloadError: if it is one.
    """
    refuse_impossible(folder)
    if not folder.name:
        raise DownloadError(f"{folder}: has no name of its own; name a new folder")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DownloadError(f"{folder}: is there and not empty, expected a new folder; name another one")


def refuse_impossible(folder: Path) -> None:
    """Refuse a folder that cannot be made, or written to: what is nearest above it is no folder, or not the user's.

    Raises:
        DownloadError: if it is one.
    """
    above = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise DownloadError(
            f"{folder}: cannot be written, {above} is no folder in which you may write; name another folder"
        )


def _extract(opened: zipfile.ZipFile, archive: Path, staged: Path) -> None:
    """Extract all members after a look at every one of them.

    Raises:
        DownloadError: if one leads out of the folder, or they do not fit on the disk.
    """
    members = [member for member in opened.infolist() if not member.filename.startswith(_JUNK[0])]
    members = [member for member in members if PurePosixPath(member.filename).name != _JUNK[1]]
    for member in members:
        _refuse_escape(member, archive)
    needed, free = sum(member.file_size for member in members), shutil.disk_usage(staged).free
    if needed > free:
        raise DownloadError(f"{archive}: holds {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; make space")
    for member in members:
        opened.extract(member, staged)


def _refuse_escape(member: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse what could write outside the folder: absolute paths, "..", drives, links.

    Raises:
        DownloadError: if `member` could.
    """
    # As written, since Python's own clean-up of names would hide an attack, not report it.
    name = member.orig_filename.replace("\\", "/")
    path = PurePosixPath(name)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or path.is_absolute() or ".." in path.parts or ":" in name:
        raise DownloadError(f"{archive}: holds {member.orig_filename!r}, which leads out of the folder; do not use it")
