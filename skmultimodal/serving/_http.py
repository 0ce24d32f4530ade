"""The page over HTTP: files, one JSON to read, one to post."""

from __future__ import annotations

import json
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
    "Content-Security-Policy": "default-src 'self'; img-src blob:; media-src blob:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_LOCAL = ("127.0.0.1", "localhost")


class PageServer(ThreadingHTTPServer):
    """Listens for pages, and hands on to `talk` what they ask."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], talk: Any, max_bytes: int):
        super().__init__(address, _Handler)
        self.talk, self.max_bytes = talk, max_bytes
        self.hosts = {f"{name}:{self.server_port}" for name in (*_LOCAL, address[0])}
        self.is_local = address[0] in _LOCAL


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

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        if self.path == "/about":
            self._send_json(HTTPStatus.OK, self.server.talk.about())
        elif self.path in _PAGE:
            name, kind = _PAGE[self.path]
            content = files("skmultimodal.serving").joinpath("page", name).read_bytes()
            self._send(HTTPStatus.OK, content, kind)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"There is no {self.path} here.")

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        # other sites cannot send JSON without being asked for leave first
        if self.path != "/reply":
            self._refuse(HTTPStatus.NOT_FOUND, f"There is no {self.path} here.")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")
        else:
            body = self._body()
            if body is not None:
                self._answer(body)

    def _answer(self, body: bytes) -> None:
        try:
            said = self.server.talk.answer(json.loads(body))
        except json.JSONDecodeError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"This is no JSON: {error}.")
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

        A site whose name points to this machine (DNS rebinding) has another.
        """
        host = self.headers.get("Host", "")
        if self.server.is_local and host not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, f"{host!r} is not served here.")
            return False
        return True

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Say the Content-Length.")
            return None
        if int(length) > self.server.max_bytes:
            most = self.server.max_bytes / 2**20
            said = f"The files are too large: more than {most:.1f} MiB together."
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
            return None
        return self.rfile.read(int(length))

    def _refuse(self, status: HTTPStatus, message: str) -> None:
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
