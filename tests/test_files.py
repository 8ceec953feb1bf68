"""Files written whole, and the download against a server on this machine that misbehaves."""

import hashlib
import os
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from icl.errors import UserError
from icl.files import download, whole_file

CONTENT = bytes(i * i % 251 for i in range(200_000))
MD5 = hashlib.md5(CONTENT).hexdigest()
INSTEAD = "set ICL_SOME_DIR to a folder that holds it"


@dataclass
class Server:
    """What to answer, and what was asked."""

    url: str = ""
    content: bytes = CONTENT
    cut_after: int | None = None  # bytes of the body, then the connection closes
    statuses: list[int] = field(default_factory=list)  # of the next answers; then 200
    num_requests: int = 0

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.num_requests += 1
        if self.statuses:
            handler.send_error(self.statuses.pop(0))
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content[: self.cut_after])


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("icl.files.RETRIES", 0)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.answer(self)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/file.zip"
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        http.shutdown()


@pytest.fixture
def destination(tmp_path) -> Path:
    return tmp_path / "new" / "file.zip"


def fetch(server: Server, destination: Path) -> Path:
    return download(server.url, MD5, destination, INSTEAD)


def assert_alone(destination: Path) -> None:
    """Nothing is left in the folder but the file, if it is there, and its lock."""
    assert {path.name for path in destination.parent.iterdir()} <= {"file.zip", "file.zip.lock"}


def fail(server: Server, destination: Path) -> str:
    with pytest.raises(UserError) as caught:
        fetch(server, destination)
    message = str(caught.value)
    assert "\n" not in message
    assert server.url in message
    assert f"run again, or {INSTEAD}" in message
    assert not destination.exists()
    assert_alone(destination)
    return message


def test_whole(server, destination):
    assert fetch(server, destination) == destination
    assert destination.read_bytes() == CONTENT
    assert_alone(destination)


def test_a_file_url(tmp_path, destination):
    (tmp_path / "published").write_bytes(CONTENT)
    download((tmp_path / "published").as_uri(), MD5, destination, INSTEAD)
    assert destination.read_bytes() == CONTENT


def test_other_users_of_the_cache_may_read_the_file(server, destination):
    fetch(server, destination)
    assert destination.stat().st_mode & 0o777 == 0o644


def test_nothing_is_printed_and_loggers_stay_as_they_are(server, destination, capfd):
    logger = pooch.get_logger()
    before = logger.level, list(logger.filters), list(logger.handlers)
    fetch(server, destination)
    server.content = b"something else"
    fail(server, destination.with_name("other") / "file.zip")
    assert capfd.readouterr() == ("", "")
    assert (logger.level, logger.filters, logger.handlers) == before


def test_what_is_there_is_not_fetched_again(server, destination):
    fetch(server, destination)
    fetch(server, destination)
    assert server.num_requests == 1


def test_a_broken_file_is_fetched_again(server, destination):
    destination.parent.mkdir()
    destination.write_bytes(CONTENT[:-1] + b"?")
    fetch(server, destination)
    assert destination.read_bytes() == CONTENT


def test_a_cut_is_an_error_and_leaves_nothing(server, destination):
    server.cut_after = 70_000
    fail(server, destination)
    server.cut_after = None
    fetch(server, destination)
    assert destination.read_bytes() == CONTENT


def test_wrong_md5_removes_what_came(server, destination):
    server.content = b"something else"
    message = fail(server, destination)
    assert MD5 in message
    assert hashlib.md5(b"something else").hexdigest() in message


@pytest.mark.parametrize("status", [403, 404, 500])
def test_http_errors(server, destination, status):
    server.statuses = [status]
    assert str(status) in fail(server, destination)


def test_a_server_that_recovers_is_asked_again(server, destination, monkeypatch):
    monkeypatch.setattr("icl.files.RETRIES", 1)
    server.statuses = [503]
    fetch(server, destination)
    assert server.num_requests == 2
    assert destination.read_bytes() == CONTENT


def test_no_server(server, destination):
    server.url = "http://127.0.0.1:9/file.zip"  # the discard port: nobody listens
    fail(server, destination)


def test_an_impossible_folder(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not downloaded"):
        download(server.url, MD5, tmp_path / "file" / "file.zip", INSTEAD)


def test_concurrent_downloads_fetch_once(server, destination):
    threads = [threading.Thread(target=fetch, args=(server, destination)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.num_requests == 1
    assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_file_whose_writing_fails_is_left_as_it_was(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write() -> None:
        with whole_file(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
