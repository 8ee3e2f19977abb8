"""Fetching one large file over HTTP: resumed after a break, checked at the end."""

import hashlib
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from spica.errors import DownloadError, MissingExtraError
from spica.labels.unpack import refuse_impossible

Progress: TypeAlias = Callable[[int, int], None]  # bytes that are here, bytes in all (0 if the server does not tell)

RETRIES = 5  # of a broken transfer, each going on where the last one stopped
# One connection: when one of several breaks, pypdl 1.5.7 cancels the others in the middle of a write, and what it
# takes up afterwards may hold bytes twice. It is also kind to servers that are free of charge.
SEGMENTS = 1
PATIENCE = 60.0  # seconds without a byte until a connection counts as broken
_POLL = 0.1  # seconds between two calls of the progress


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to fetch: where it is, its name here, its MD5 checksum if its publisher tells one, and how to ask for it.

    `remedies` says for a status of HTTP what a user can do about it.
    """

    url: str
    name: str
    md5: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a password
    remedies: Mapping[int, str] = field(default_factory=dict)


def fetch(remote: RemoteFile, folder: Path, progress: Progress | None = None) -> Path:
    """Return the file in `folder` that `remote` was fetched to.

    A transfer that broke is taken up again, within this call and by the next call with the same folder. A file that
    is there already and has the right checksum is not fetched again.

    Raises:
        DownloadError: if the folder cannot be made, the server cannot be reached or refuses, the transfer breaks again
            and again, or the checksum is wrong, in which case nothing is kept.
        MissingExtraError: if pypdl is not installed.
    """
    target = folder / remote.name
    if remote.md5 is not None and _is_complete(target) and md5_of(target) == remote.md5:
        return target
    refuse_impossible(folder)
    size = remote_size(remote)
    _make(folder)
    here = progress or _silent
    _transfer(remote, target, lambda arrived: here(arrived, size))
    if remote.md5 is not None and (found := md5_of(target)) != remote.md5:
        target.unlink()
        raise DownloadError(
            f"{remote.url}: the MD5 checksum is {found}, expected {remote.md5}; the file was deleted, download it again"
        )
    return target


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as broken:
        raise DownloadError(f"{folder}: cannot be written ({broken.strerror}); name another folder") from broken


def remote_size(remote: RemoteFile) -> int:
    """Ask for the first byte of a file, so that what cannot work fails at once; return its size, 0 if not told.

    Raises:
        DownloadError: if the server cannot be reached or refuses.
    """
    with _opened(remote, {"Range": "bytes=0-0"}) as response:
        ranged = response.headers.get("Content-Range", "").rpartition("/")[2]
        told = ranged if response.status == 206 else response.headers.get("Content-Length", "")
        return int(told) if told.isdecimal() else 0


def read_remote(remote: RemoteFile) -> bytes:
    """Return the content of a small remote file.

    Raises:
        DownloadError: if the server cannot be reached or refuses.
    """
    with _opened(remote, {}) as response:
        try:
            return bytes(response.read())
        except OSError as broken:
            raise DownloadError(f"{remote.url}: the connection broke ({broken}); try again") from broken


def md5_of(file: Path) -> str:
    """Return the MD5 checksum of a file in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _opened(remote: RemoteFile, headers: Mapping[str, str]) -> Any:
    """Return the open response of a server.

    Raises:
        DownloadError: if the server cannot be reached or refuses.
    """
    if urlsplit(remote.url).scheme not in {"http", "https"}:
        raise DownloadError(f"{remote.url}: expected an address that begins with https://; mend it")
    request = urllib.request.Request(remote.url, headers=dict(headers))  # noqa: S310 - the scheme was checked
    for name, value in remote.headers.items():
        request.add_unredirected_header(name, value)  # a password is for this server, not for where it points to
    try:
        return urllib.request.urlopen(request, timeout=PATIENCE)  # noqa: S310 - the scheme was checked
    except urllib.error.HTTPError as refused:
        refused.close()
        remedy = remote.remedies.get(refused.code, "check the address, or try again later")
        raise DownloadError(f"{remote.url}: the server answers {refused.code} {refused.reason}; {remedy}") from refused
    except OSError as unreachable:
        reason = getattr(unreachable, "reason", unreachable)
        raise DownloadError(
            f"{remote.url}: cannot be reached ({reason}); check the network, and HTTPS_PROXY if you are behind a proxy"
        ) from unreachable


def _is_complete(target: Path) -> bool:
    """Return whether `target` is there and no transfer of it is under way; pypdl notes one in a .json beside."""
    return target.is_file() and not target.with_name(f"{target.name}.json").exists()


def _transfer(remote: RemoteFile, target: Path, arrived: Callable[[int], None]) -> None:
    """Fetch a file with pypdl.

    Raises:
        DownloadError: if it fails for good; what has arrived stays for the next time.
        MissingExtraError: if pypdl is not installed.
    """
    try:
        from aiohttp import ClientTimeout
        from pypdl import Pypdl
    except ImportError as absent:
        message = "downloads need pypdl, which is not installed; pip install 'spica-wheat[download]'"
        raise MissingExtraError(message) from absent
    failures = _Failures()
    with _running(Pypdl(logger=failures.logger)) as downloader:
        future = downloader.start(
            url=remote.url,
            file_path=str(target),
            segments=SEGMENTS,
            retries=RETRIES,
            etag_validation=remote.md5 is None,  # without a checksum at the end, do not mix two versions of a file
            block=False,
            display=False,
            proxy=_proxy(remote.url),
            timeout=ClientTimeout(sock_connect=PATIENCE, sock_read=PATIENCE),
            **({"headers": dict(remote.headers)} if remote.headers else {}),  # pypdl 1.5.7 spoils an empty dictionary
        )
        while not downloader.is_idle:
            arrived(downloader.current_size)
            time.sleep(_POLL)
        fetched = future.result()
    arrived(target.stat().st_size if fetched else downloader.current_size)
    if not fetched:
        raise DownloadError(
            f"{remote.url}: the transfer broke ({failures.last()}); run it again, it goes on from there"
        )


@contextmanager
def _running(downloader: Any) -> Iterator[Any]:
    """Give a downloader whose threads end with the block, also when the user interrupts it."""
    try:
        yield downloader
    except BaseException:
        downloader.shutdown()
        raise


class _Failures(logging.Handler):
    """The last error that pypdl wrote to its logger, which is the one place where it tells."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.logger = logging.Logger("spica.fetching", logging.ERROR)  # noqa: LOG001 - of one transfer alone
        self.logger.addHandler(self)
        self._last = "no reason given"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of an error."""
        self._last = record.getMessage() or self._last

    def last(self) -> str:
        """Return the text of the last error."""
        return self._last


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for `url`; aiohttp does not look there by itself."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _silent(_here: int, _all: int) -> None:
    """Say nothing of the progress."""
