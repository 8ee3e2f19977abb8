"""Fetching the public data sets: where they are, what they need, and a folder ready for `read_labels`."""

import base64
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spica.errors import DownloadError
from spica.labels.fetching import Progress, RemoteFile, fetch, read_remote
from spica.labels.unpack import refuse_full, unpack

ZENODO_RECORD = "https://zenodo.org/api/records/5092309"
ZENODO_FILE = "gwhd_2021.zip"
KAGGLE_COMPETITION = "global-wheat-detection"
KAGGLE_ARCHIVE = f"https://www.kaggle.com/api/v1/competitions/data/download-all/{KAGGLE_COMPETITION}"
KAGGLE_PAGE = f"https://www.kaggle.com/competitions/{KAGGLE_COMPETITION}"

DATA_SETS = ("kaggle", "gwhd2021")

_KAGGLE_REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        401: "Kaggle does not know the credentials; create a new token on kaggle.com, Settings, API",
        403: f"accept the rules of the competition at {KAGGLE_PAGE}/rules, then try again",
        404: f"see whether {KAGGLE_PAGE}/data still offers the files",
    }
)


def download(name: str, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch the data set "kaggle" (needs an account) or "gwhd2021" and unpack it as `folder`, new or empty.

    Returns `folder`, ready for `read_labels`. What has arrived of the archive stays in a hidden folder beside until
    all is done, so that a broken download goes on when it is called again. The disk needs room for the archive and
    its content. `progress` is called with the bytes that are here and the bytes in all.

    Raises:
        DownloadError: if the network, the credentials, the checksum, the archive or the disk do not allow it.
        MissingExtraError: if pypdl is not installed.
        ValueError: if there is no such data set.
    """
    if name not in DATA_SETS:
        raise ValueError(f"data set is {name!r}, expected one of {', '.join(DATA_SETS)}")
    refuse_full(folder)
    remote = kaggle_archive(os.environ, Path.home()) if name == "kaggle" else zenodo_file(ZENODO_RECORD, ZENODO_FILE)
    return download_archive(remote, folder, progress)


def download_archive(remote: RemoteFile, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch a zip archive and unpack it as `folder`, new or empty; return `folder`.

    Raises:
        DownloadError: if the network, the checksum, the archive or the disk do not allow it.
        MissingExtraError: if pypdl is not installed.
    """
    refuse_full(folder)
    waiting = folder.with_name(f".{folder.name}-download")
    archive = fetch(remote, waiting, progress)
    try:
        unpack(archive, folder)
    except DownloadError:
        if remote.md5 is None:  # nothing but the archive itself could tell that it is wrong: fetch it anew next time
            shutil.rmtree(waiting)
        raise
    shutil.rmtree(waiting)
    return folder


def zenodo_file(record: str, name: str) -> RemoteFile:
    """Return a file of a record of Zenodo with the checksum that Zenodo publishes for it.

    The checksum is asked for, not written here: it could not be compared with the file when this was written.

    Raises:
        DownloadError: if Zenodo cannot be reached or its answer is not understood.
    """
    answer = read_remote(RemoteFile(record, "record.json"))
    try:
        return _file_of_record(json.loads(answer), name)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as unknown:
        page = record.replace("/api/", "/")
        raise DownloadError(
            f"{record}: expected a record with the file {name} and its MD5 checksum, got something else; "
            f"download the file from {page} by hand and unpack it"
        ) from unknown


def kaggle_archive(environment: Mapping[str, str], home: Path, url: str = KAGGLE_ARCHIVE) -> RemoteFile:
    """Return the archive of the competition with the credentials of the user.

    They come, as Kaggle's own tools have it, from KAGGLE_API_TOKEN, from KAGGLE_USERNAME and KAGGLE_KEY, from the
    file access_token, or from kaggle.json, the files being in KAGGLE_CONFIG_DIR or ~/.kaggle.
    Kaggle publishes no checksum; the CRC-32 of every file in the archive is checked when it is unpacked.

    Raises:
        DownloadError: if there are no credentials, or kaggle.json does not make sense.
    """
    settings = Path(environment.get("KAGGLE_CONFIG_DIR") or home / ".kaggle")
    authorization = _authorization(environment, settings)
    return RemoteFile(
        url, f"{KAGGLE_COMPETITION}.zip", headers={"Authorization": authorization}, remedies=_KAGGLE_REMEDIES
    )


def _authorization(environment: Mapping[str, str], settings: Path) -> str:
    """Return what to tell Kaggle of who asks.

    Raises:
        DownloadError: if nothing is known of that.
    """
    token_file = settings / "access_token"
    token = environment.get("KAGGLE_API_TOKEN") or (token_file.read_text("utf-8") if token_file.is_file() else "")
    if token.strip():
        return f"Bearer {token.strip()}"
    user, key = environment.get("KAGGLE_USERNAME", ""), environment.get("KAGGLE_KEY", "")
    if not (user and key):
        user, key = _user_and_key(settings / "kaggle.json")
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode("ascii")


def _user_and_key(file: Path) -> tuple[str, str]:
    """Return user name and key of a kaggle.json.

    Raises:
        DownloadError: if it is not there or does not hold both.
    """
    if not file.is_file():
        raise DownloadError(
            f"{file}: no credentials of Kaggle; create an API token on kaggle.com, Settings, and save it there, "
            f"or set KAGGLE_USERNAME and KAGGLE_KEY; accept the rules at {KAGGLE_PAGE}/rules"
        )
    try:
        content = json.loads(file.read_text("utf-8"))
        user, key = str(content["username"]), str(content["key"])
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise DownloadError(f'{file}: expected {{"username": ..., "key": ...}}; create a new token') from broken
    return user, key


def _file_of_record(record: Any, name: str) -> RemoteFile:
    """Return a file of a record as Zenodo describes it.

    Raises:
        ValueError: if its checksum is not MD5; other exceptions if the record is not as expected.
    """
    entry = next(entry for entry in record["files"] if entry["key"] == name)
    kind, _, checksum = entry["checksum"].partition(":")
    if kind != "md5" or len(checksum) != 32:
        raise ValueError(f"checksum is {entry['checksum']!r}, expected md5 and 32 digits")
    return RemoteFile(entry["links"]["self"], name, checksum.lower())
