"""A proxy before an object store that counts requests, refuses some with 503, answers some late, and loses some connections.

What it does to a request follows from its number and path alone.
"""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
#: Headers of a connection, which are not those of the message.
_OWN = ("connection", "keep-alive", "transfer-encoding")


class Flaky:
    """The proxy, while it is entered.

    Parameters
    ----------
    server : str
        The store that answers.
    busy, late, lost : callable, optional
        Of the number of a request from 0 on, and its path: whether it is refused with 503; seconds until its answer is
        sent; whether the connection is closed after the store did what was asked.
    """

    def __init__(
        self,
        server: str,
        busy: Callable[[int, str], bool] = lambda number, path: False,
        late: Callable[[int, str], float] = lambda number, path: 0.0,
        lost: Callable[[int, str], bool] = lambda number, path: False,
    ) -> None:
        self._busy, self._late, self._lost = busy, late, lost
        self._at, self._lock, self._number = urlsplit(server).netloc, threading.Lock(), 0
        #: Requests by method and path.
        self.requests: Counter[tuple[str, str]] = Counter()
        #: Requests that failed by what was done to them.
        self.failed: Counter[str] = Counter()
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._proxy.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._proxy.server_port}"

    def __enter__(self) -> "Flaky":
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request, or do not."""
        with self._lock:
            number, self._number = self._number, self._number + 1
            path = urlsplit(request.path).path
            self.requests[request.command, path] += 1
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        time.sleep(self._late(number, path))
        if self._busy(number, path):
            self.failed["busy"] += 1
            _reply(request, 503, [("Content-Type", "application/xml")], _BUSY)
            return
        upstream = http.client.HTTPConnection(self._at, timeout=60)
        upstream.request(request.command, request.path, body or None, dict(request.headers))
        found = upstream.getresponse()
        content = found.read()
        upstream.close()
        if self._lost(number, path):
            self.failed["lost"] += 1
            request.close_connection = True
            request.connection.shutdown(2)
            return
        headers = [(name, value) for name, value in found.getheaders() if name.lower() not in _OWN]
        _reply(request, found.status, headers, content)


def _handler(flaky: Flaky) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            flaky.answer(self)

        def handle(self) -> None:
            with suppress(OSError):  # who asked has gone
                super().handle()

    for method in ("PUT", "POST", "HEAD", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.do_GET)

    return Handler


def _reply(request: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
    request.send_response_only(status)
    for name, value in headers:
        if name.lower() != "content-length" or request.command == "HEAD":
            request.send_header(name, value)
    if request.command != "HEAD":
        request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


__all__ = ["Flaky"]
