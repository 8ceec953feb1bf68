"""The download against a server on this machine that misbehaves on demand."""

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from icl.data.sources.download import download
from icl.errors import UserError

CONTENT = bytes(i * i % 251 for i in range(200_000))
MD5 = hashlib.md5(CONTENT).hexdigest()
INSTEAD = "set ICL_SOME_DIR to a folder that holds it"


@dataclass
class Server:
    """What to answer, and what was asked."""

    url: str = ""
    content: bytes = CONTENT
    honours_range: bool = True
    shift: int = 0  # answers another range than asked for
    cut_after: int | None = None  # bytes of the body, then the connection closes
    status: int | None = None
    ranges: list[str | None] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers["Range"]
        self.ranges.append(asked)
        start = int(asked[len("bytes=") : -1]) if asked and self.honours_range else 0
        if self.status or start >= len(self.content):
            handler.send_error(self.status or 416)
            return
        start += self.shift
        body = self.content[start:]
        handler.send_response(206 if asked and self.honours_range else 200)
        if asked and self.honours_range:
            size = len(self.content)
            handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut_after])


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
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


def part_of(destination: Path) -> Path:
    return destination.with_name("file.zip.part")


def fetch(server: Server, destination: Path) -> Path:
    return download(server.url, MD5, destination, INSTEAD)


def fail(server: Server, destination: Path) -> str:
    with pytest.raises(UserError) as caught:
        fetch(server, destination)
    message = str(caught.value)
    assert "\n" not in message
    assert server.url in message
    assert INSTEAD in message
    assert not destination.exists()
    return message


def leave_part(destination: Path, content: bytes) -> None:
    destination.parent.mkdir()
    part_of(destination).write_bytes(content)


def test_whole(server, destination):
    assert fetch(server, destination) == destination
    assert destination.read_bytes() == CONTENT
    assert not part_of(destination).exists()


def test_what_is_there_is_not_fetched_again(server, destination):
    fetch(server, destination)
    fetch(server, destination)
    assert server.ranges == [None]


def test_a_broken_file_is_fetched_again(server, destination):
    destination.parent.mkdir()
    destination.write_bytes(CONTENT[:-1] + b"?")
    fetch(server, destination)
    assert destination.read_bytes() == CONTENT


def test_a_cut_is_resumed(server, destination):
    server.cut_after = 70_000
    message = fail(server, destination)
    assert "run again to resume" in message
    assert f"70000 of {len(CONTENT)}" in message
    assert part_of(destination).read_bytes() == CONTENT[:70_000]
    fail(server, destination)
    server.cut_after = None
    fetch(server, destination)
    assert server.ranges == [None, "bytes=70000-", "bytes=140000-"]
    assert destination.read_bytes() == CONTENT


def test_ignored_range(server, destination):
    server.honours_range = False
    leave_part(destination, b"x" * 1000)
    fetch(server, destination)
    assert server.ranges == ["bytes=1000-"]
    assert destination.read_bytes() == CONTENT


def test_another_range_than_asked_for(server, destination):
    server.shift = 5
    leave_part(destination, CONTENT[:1000])
    assert "another range" in fail(server, destination)
    server.shift = 0
    fetch(server, destination)
    assert destination.read_bytes() == CONTENT


def test_a_complete_part_needs_no_network(server, destination):
    leave_part(destination, CONTENT)
    fetch(server, destination)
    assert server.ranges == []
    assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [0, 10])
def test_a_wrong_part_that_is_too_long_is_begun_anew(server, destination, extra):
    leave_part(destination, b"x" * (len(CONTENT) + extra))
    fetch(server, destination)
    assert server.ranges == [f"bytes={len(CONTENT) + extra}-", None]
    assert destination.read_bytes() == CONTENT


def test_wrong_md5_removes_the_part(server, destination):
    server.content = b"something else"
    message = fail(server, destination)
    assert MD5 in message
    assert hashlib.md5(b"something else").hexdigest() in message
    assert not part_of(destination).exists()


def test_a_wrong_part_is_removed(server, destination):
    leave_part(destination, b"x" * 1000)
    assert "MD5" in fail(server, destination)
    assert not part_of(destination).exists()
    fetch(server, destination)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_http_errors(server, destination, status):
    server.status = status
    assert str(status) in fail(server, destination)


def test_an_error_keeps_the_part(server, destination):
    leave_part(destination, CONTENT[:1000])
    server.status = 503
    fail(server, destination)
    assert part_of(destination).read_bytes() == CONTENT[:1000]


def test_no_server(server, destination):
    server.url = "http://127.0.0.1:9/file.zip"  # the discard port: nobody listens
    assert "run again to resume" in fail(server, destination)


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
    assert server.ranges == [None]
    assert destination.read_bytes() == CONTENT
