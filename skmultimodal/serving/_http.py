"""The page over HTTP: files, one JSON to read, one to post."""

from __future__ import annotations

import ipaddress
import json
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/talk.js": ("talk.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src blob: data:; media-src blob:"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_LOCAL = ("127.0.0.1", "localhost")
_BLOCK = 2**16


class PageServer(ThreadingHTTPServer):
    """Listens for pages, and hands on to `talk` what they ask."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], talk: Any, max_bytes: int):
        super().__init__(address, _Handler)
        self.talk, self.max_bytes = talk, max_bytes
        self.hosts = {*_LOCAL, address[0].lower()}
        found = ipaddress.ip_address(str(self.server_address[0]))
        self.is_local = found.is_loopback

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless a page was closed before its answer came."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def listen(host: str, port: int, talk: Any, max_bytes: int) -> PageServer:
    try:
        return PageServer((host, port), talk, max_bytes)
    except OSError as error:
        raise OSError(
            error.errno,
            f"DialogueServer cannot listen on {host}:{port} ({error.strerror}). "
            "Choose another host (an IPv4 address or a name) or port (0: a free one).",
        ) from error


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = 60  # seconds that a silent connection keeps its thread
    _unread = 0  # bytes of the request

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        if self.path == "/about":
            about = self.server.talk.about() | {"max_bytes": self.server.max_bytes}
            self._send_json(HTTPStatus.OK, about)
        elif self.path in _PAGE:
            name, kind = _PAGE[self.path]
            content = files("skmultimodal.serving").joinpath("page", name).read_bytes()
            self._send(HTTPStatus.OK, content, kind)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"There is no {self.path} here.")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if length.isdecimal():
            self._unread = int(length) if len(length) < 19 else sys.maxsize
        if not self._is_ours():
            return
        # other sites cannot send JSON without being asked for leave first
        if self.path != "/reply":
            self._refuse(HTTPStatus.NOT_FOUND, f"There is no {self.path} here.")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")
        elif not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Say the Content-Length.")
        elif self._unread > self.server.max_bytes:
            most = self.server.max_bytes / 2**20
            said = f"The files and the talk are too large: more than {most:.1f} MiB."
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
        else:
            self._read()

    def _read(self) -> None:
        body = self.rfile.read(self._unread)
        self._unread = 0
        try:
            sent = json.loads(body)
        except (ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"This is no JSON: {error}.")
        else:
            self._answer(sent)

    def _answer(self, sent: Any) -> None:
        try:
            said = self.server.talk.answer(sent)
        except (ValueError, TypeError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except Exception as error:
            traceback.print_exc()
            said = f"{type(error).__name__}: {error}. The server's log has more."
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, said)
        else:
            self._send_json(HTTPStatus.OK, {"reply": said})

    def _is_ours(self) -> bool:
        """Whether the page was asked for by its own name.

        A site whose name points to this machine (DNS rebinding) has another. The port
        may differ: a tunnel has its own, and browsers leave out 80.
        """
        host = self.headers.get("Host", "")
        name = host.partition(":")[0].lower()
        if self.server.is_local and name not in self.server.hosts:
            said = f"{host!r} is not served here; a proxy must send localhost as Host."
            self._refuse(HTTPStatus.FORBIDDEN, said)
            return False
        return True

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        # what is closed unread is reset, and the answer is lost
        while self._unread and (block := self.rfile.read(min(self._unread, _BLOCK))):
            self._unread -= len(block)
        self._send_json(status, {"error": message})

    def _send_json(self, status: HTTPStatus, content: Any) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing of what goes well."""
