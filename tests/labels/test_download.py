"""Downloads: resumed, checked, and clear about what stands in the way; all from a server on this machine."""

import base64
import contextlib
import hashlib
import http.server
import io
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from spica.errors import DownloadError, MissingExtraError
from spica.labels import download as sets
from spica.labels import fetching
from spica.labels.download import download, download_archive, kaggle_archive, zenodo_file
from spica.labels.fetching import RemoteFile, fetch, md5_of


@dataclass
class Server:
    """A file server that knows ranges and can cut connections."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    cuts: int = 0  # so many transfers of more than a byte break off after half of it
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    state: Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        state = self.state
        state.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path in state.moved:
            self.send_response(302)
            self.send_header("Location", state.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status = state.statuses.get(self.path, 200 if self.path in state.files else 404)
        if status >= 400:
            self.send_error(status)
            return
        content = state.files[self.path]
        start, end = 0, len(content) - 1
        if self.headers["Range"]:
            start, end = (int(part) for part in self.headers["Range"].removeprefix("bytes=").split("-"))
        part = content[start : end + 1]
        self.send_response(206 if self.headers["Range"] else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(part)))
        if self.headers["Range"]:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.end_headers()
        if not with_body:
            return
        if state.cuts and len(part) > 1:
            state.cuts -= 1
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # pypdl drops its other connections, too
            self.wfile.write(part)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server()
    handler = type("StatefulHandler", (Handler,), {"state": state})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        state.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield state
        running.shutdown()
        thread.join()


CONTENT = bytes(range(256)) * 32_768  # 8 MiB: smaller parts never leave the buffers before a connection is cut
MD5 = hashlib.md5(CONTENT).hexdigest()


def archive(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return stream.getvalue()


def ranges(server: Server, path: str) -> list[tuple[int, int]]:
    """Return the first and last bytes of `path` that clients asked for, looks at the headers aside."""
    asked = [headers.get("range", "") for name, headers in server.asked if name == path]
    pairs = [text.removeprefix("bytes=").split("-") for text in asked if text and text != "bytes=0-0"]
    return [(int(start), int(end)) for start, end in pairs]


def test_a_file_arrives_whole_and_its_progress_is_told(server: Server, tmp_path: Path) -> None:
    server.files["/data.bin"] = CONTENT
    told: list[tuple[int, int]] = []
    remote = RemoteFile(f"{server.url}/data.bin", "data.bin", MD5)
    file = fetch(remote, tmp_path / "new", lambda here, size: told.append((here, size)))
    assert file == tmp_path / "new" / "data.bin"
    assert file.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in file.parent.iterdir()] == ["data.bin"]


def test_a_cut_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files["/data.bin"] = CONTENT
    server.cuts = 2
    file = fetch(RemoteFile(f"{server.url}/data.bin", "data.bin", MD5), tmp_path)
    assert file.read_bytes() == CONTENT
    assert server.cuts == 0
    first, second, third = (start for start, _ in ranges(server, "/data.bin"))
    assert first == 0 < second < third


def test_a_broken_download_is_taken_up_by_the_next_call(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "RETRIES", 0)
    server.files["/data.bin"] = CONTENT
    server.cuts = 1
    remote = RemoteFile(f"{server.url}/data.bin", "data.bin")
    with pytest.raises(DownloadError, match=r"data\.bin: the transfer broke \(.+\); run it again, it goes on from"):
        fetch(remote, tmp_path)
    server.cuts = 0
    server.asked.clear()
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert [start > 0 for start, _ in ranges(server, "/data.bin")] == [True]


# pypdl leaves the file of an interrupted part to the garbage collector, which tells of it when it gets there.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_download_ends_its_threads(server: Server, tmp_path: Path) -> None:
    server.files["/data.bin"] = CONTENT
    before = threading.active_count()

    def interrupt(here: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(RemoteFile(f"{server.url}/data.bin", "data.bin", MD5), tmp_path, interrupt)
    names = [thread.name for thread in threading.enumerate() if "process_request" not in thread.name]
    assert len(names) <= before
    assert fetch(RemoteFile(f"{server.url}/data.bin", "data.bin", MD5), tmp_path).read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    assert fetch(RemoteFile(f"{server.url}/data.bin", "data.bin", MD5), tmp_path) == tmp_path / "data.bin"
    assert server.asked == []


def test_a_wrong_checksum_is_refused_and_the_file_deleted(server: Server, tmp_path: Path) -> None:
    server.files["/data.bin"] = CONTENT
    with pytest.raises(DownloadError, match=rf"checksum is {MD5}, expected {'0' * 32}; the file was deleted"):
        fetch(RemoteFile(f"{server.url}/data.bin", "data.bin", "0" * 32), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_of_the_server_names_the_status(server: Server, tmp_path: Path, status: int) -> None:
    server.statuses["/data.bin"] = status
    with pytest.raises(DownloadError, match=f"the server answers {status} .*; check the address"):
        fetch(RemoteFile(f"{server.url}/data.bin", "data.bin"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_server_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot be reached .*check the network"):
        fetch(RemoteFile("http://127.0.0.1:9/data.bin", "data.bin"), tmp_path)


def test_only_addresses_of_the_web_are_opened(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="begins with https://"):
        fetch(RemoteFile("file:///etc/passwd", "passwd"), tmp_path)


def test_without_pypdl_the_extra_is_named(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/data.bin"] = CONTENT
    monkeypatch.setitem(sys.modules, "pypdl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spica-wheat\[download\]'"):
        fetch(RemoteFile(f"{server.url}/data.bin", "data.bin"), tmp_path)


def test_a_password_is_sent_to_its_server_alone(server: Server, tmp_path: Path) -> None:
    server.files["/stored.bin"] = CONTENT
    other = server.url.replace("127.0.0.1", "localhost")
    server.moved["/data.bin"] = f"{other}/stored.bin"
    remote = RemoteFile(f"{server.url}/data.bin", "data.bin", headers={"Authorization": "Bearer secret"})
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert all(headers.get("authorization") == "Bearer secret" for path, headers in server.asked if path == "/data.bin")
    assert not any("authorization" in headers for path, headers in server.asked if path == "/stored.bin")
    assert "secret" not in repr(remote)


def test_an_archive_becomes_a_folder_and_nothing_else_stays(server: Server, tmp_path: Path) -> None:
    server.files["/a.zip"] = archive({"top/competition_train.csv": b"x", "top/images/a.png": b"y", "__MACOSX/z": b""})
    md5 = hashlib.md5(server.files["/a.zip"]).hexdigest()
    folder = download_archive(RemoteFile(f"{server.url}/a.zip", "a.zip", md5), tmp_path / "out")
    assert (folder / "images" / "a.png").read_bytes() == b"y"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_damaged_archive_without_checksum_is_fetched_anew_next_time(server: Server, tmp_path: Path) -> None:
    server.files["/a.zip"] = b"<html>please log in</html>"
    with pytest.raises(DownloadError, match="is not a sound zip archive"):
        download_archive(RemoteFile(f"{server.url}/a.zip", "a.zip"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_zenodo_tells_address_and_checksum(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive({"gwhd_2021/competition_train.csv": b"image_name,BoxesString,domain\n"})
    entry = {
        "key": "gwhd_2021.zip",
        "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
        "links": {"self": f"{server.url}/content"},
    }
    server.files |= {"/content": content, "/record": json.dumps({"files": [entry]}).encode()}
    monkeypatch.setattr(sets, "ZENODO_RECORD", f"{server.url}/record")
    assert download("gwhd2021", tmp_path / "out") == tmp_path / "out"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["competition_train.csv"]


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"files": []}',
        b'{"files": [{"key": "x.zip"}]}',
        b'{"files": [{"key": "x.zip", "checksum": "sha256:00", "links": {"self": "https://x"}}]}',
    ],
)
def test_an_answer_of_zenodo_that_is_not_understood_is_named(server: Server, answer: bytes) -> None:
    server.files["/api/record"] = answer
    with pytest.raises(DownloadError, match=r"expected a record with the file x\.zip .* by hand"):
        zenodo_file(f"{server.url}/api/record", "x.zip")


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_credentials_of_kaggle_come_from_the_environment_or_its_files(tmp_path: Path) -> None:
    settings = tmp_path / ".kaggle"
    settings.mkdir()
    (settings / "kaggle.json").write_text('{"username": "ada", "key": "k1"}')
    assert kaggle_archive({}, tmp_path).headers == basic("ada:k1")
    assert kaggle_archive({"KAGGLE_USERNAME": "bob", "KAGGLE_KEY": "k2"}, tmp_path).headers == basic("bob:k2")
    (settings / "access_token").write_text("t1\n")
    assert kaggle_archive({}, tmp_path).headers == {"Authorization": "Bearer t1"}
    assert kaggle_archive({"KAGGLE_API_TOKEN": "t2"}, tmp_path).headers == {"Authorization": "Bearer t2"}
    elsewhere = {"KAGGLE_CONFIG_DIR": str(settings)}
    assert kaggle_archive(elsewhere, tmp_path / "nowhere").headers == {"Authorization": "Bearer t1"}


def test_missing_credentials_of_kaggle_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    with pytest.raises(DownloadError, match=r"kaggle\.json: no credentials of Kaggle; create an API token"):
        download("kaggle", tmp_path / "out")


@pytest.mark.parametrize("content", ["", "[]", '{"username": "ada"}'])
def test_a_kaggle_json_that_makes_no_sense_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "kaggle.json").write_text(content)
    with pytest.raises(DownloadError, match=r"kaggle\.json: expected .*username"):
        kaggle_archive({"KAGGLE_CONFIG_DIR": str(tmp_path)}, tmp_path)


def test_rules_that_were_not_accepted_are_explained(server: Server, tmp_path: Path) -> None:
    server.statuses["/all"] = 403
    remote = kaggle_archive({"KAGGLE_API_TOKEN": "t"}, tmp_path, f"{server.url}/all")
    with pytest.raises(DownloadError, match="403 Forbidden; accept the rules of the competition"):
        download_archive(remote, tmp_path / "out")


def test_the_competition_becomes_a_folder(server: Server, tmp_path: Path) -> None:
    server.files["/all"] = archive({"train.csv": b"image_id,width,height,bbox,source\n", "train/a.jpg": b"y"})
    remote = kaggle_archive({"KAGGLE_USERNAME": "ada", "KAGGLE_KEY": "k"}, tmp_path, f"{server.url}/all")
    folder = download_archive(remote, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["train", "train.csv"]
    assert {headers["authorization"] for _, headers in server.asked} == {basic("ada:k")["Authorization"]}


@pytest.mark.parametrize("place", ["file", "file/below/new"])
def test_an_impossible_place_is_refused_before_anything_is_asked_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("x")
    message = "file.*: cannot be written, .*file is no folder in which you may write; name another folder"
    with pytest.raises(DownloadError, match=message):
        fetch(RemoteFile(f"{server.url}/data.bin", "data.bin"), tmp_path / place)
    monkeypatch.setattr(sets, "ZENODO_RECORD", f"{server.url}/record")
    with pytest.raises(DownloadError, match=message):
        download("gwhd2021", tmp_path / place)
    assert server.asked == []


def test_a_name_that_no_folder_can_have_is_an_error_of_the_download(server: Server, tmp_path: Path) -> None:
    server.files["/data.bin"] = CONTENT
    with pytest.raises(DownloadError, match=r"cannot be written \(File name too long\); name another folder"):
        fetch(RemoteFile(f"{server.url}/data.bin", "data.bin"), tmp_path / ("n" * 300))


def test_a_full_folder_is_refused_before_anything_is_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DownloadError, match="not empty, expected a new folder"):
        download_archive(RemoteFile(f"{server.url}/a.zip", "a.zip"), tmp_path)
    assert server.asked == []


def test_an_unknown_data_set_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one of kaggle, gwhd2021"):
        download("imagenet", tmp_path)


def test_md5_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert md5_of(tmp_path / "x") == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, A.5
