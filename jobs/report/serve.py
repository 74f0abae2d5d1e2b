"""The verb `serve`: pages of questions on this machine alone, whose answers are kept in the run as they are given.

Only 127.0.0.1 is listened on. The address holds a token, made anew at every start, that one browser can trade for a cookie,
once; every other request is refused. What the server holds is one file of answers for each page, written whole or not at all,
and beside it what `apply` or `answer` takes.
"""

import csv
import hmac
import io
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from filterscope.jobs.report.questions import answer_of, cells_of, held_of, served_page
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.places import write_atomically

HOST, PORT = "127.0.0.1", 8737
#: Bytes of a request at most, and seconds that a cookie lasts.
_LARGEST, _LASTS = 2**20, 7 * 86400


class RefusedError(Exception):
    """A request that is not answered: status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Kept:
    """Answers of one page on disk.

    Attributes
    ----------
    page : Path
        The page; answers lie beside it under its name, and what the verbs take under that of the sheet.
    """

    page: Path
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def held(self) -> Mapping[str, Any]:
        """What the page asks."""
        return held_of(self.page)

    @property
    def path(self) -> Path:
        """Where answers are kept."""
        return self.page.with_suffix(".answers.json")

    @property
    def file(self) -> Path:
        """What `apply` or `answer` takes."""
        return self.page.with_suffix(Path(self.held["file"]).suffix)

    def items(self) -> dict[str, Any]:
        """Return answers by key of their question; none where the page is about another subject than they are.

        Those to questions that the page asked before it was written anew are among them.
        """
        try:
            stated = json.loads(self.path.read_bytes())
            held = self.held
            return _checked(stated, held, others=True) if stated["subject"] == held["subject"] else {}
        except FileNotFoundError:
            return {}
        except (ValueError, LookupError, TypeError, RecursionError, RefusedError) as error:
            raise InputError(f"{self.path} is not as it was written ({error}); move it away to begin anew") from None

    def merge(self, stated: Any) -> dict[str, Any]:
        """Put answers in the place of those to the same questions that are older, and write all.

        Raises
        ------
        RefusedError
            If they are not answers to this page.
        """
        held = self.held
        new = _checked(stated, held)
        with self._lock:
            items = self.items()
            for key, item in new.items():
                if key not in items or item["at"] >= items[key]["at"]:
                    items[key] = item
            write_atomically(self.path, json.dumps({"subject": held["subject"], "items": items}).encode())
            write_atomically(self.file, _taken(held, items))
        return items


def _checked(stated: Any, held: Mapping[str, Any], *, others: bool = False) -> dict[str, Any]:
    """Return the items of a request, each checked; with `others`, also those to what the page does not ask.

    Raises
    ------
    RefusedError
        If something is not as the page sends it.
    """
    if not isinstance(stated, dict) or set(stated) != {"subject", "items"} or not isinstance(stated["items"], dict):
        raise RefusedError(400, "expected subject and items")
    if stated["subject"] != held["subject"]:
        raise RefusedError(409, "the page was written anew about something else; reload it")
    keys = {one["key"] for one in held["questions"]}
    for key, item in stated["items"].items():
        if key not in keys and not others:
            raise RefusedError(400, f"no question {key[:80]!r}")
        if not isinstance(item, dict) or set(item) != {"answer", "at", "seconds"}:
            raise RefusedError(400, "expected answer, at and seconds of each item")
        if item["answer"] is not None and answer_of(item["answer"], held) is None:
            raise RefusedError(400, f"no such answer: {str(item['answer'])[:80]!r}")
        for name, most in (("at", 1e15), ("seconds", 1e6)):
            value = item[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
                raise RefusedError(400, f"{name}: expected a number from 0 to {most:g}")
    return dict(stated["items"])


def _taken(held: Mapping[str, Any], items: Mapping[str, Any]) -> bytes:
    """Return the file that the page would download."""
    keys = {one["key"] for one in held["questions"]}
    given = {key: item for key, item in items.items() if item["answer"] is not None and key in keys}
    if "edits" in held:
        order = sorted(given, key=lambda key: given[key]["at"])
        decisions = [
            {"node": key, "decision": given[key]["answer"], "seconds": float(given[key]["seconds"])} for key in order
        ]
        return (json.dumps({**held["edits"], "decisions": decisions}, indent=1) + "\n").encode()
    sink = io.StringIO(newline="")
    rows = csv.writer(sink)
    rows.writerow(held["columns"])
    for cells in cells_of(held, {key: item["answer"] for key, item in given.items()}):
        rows.writerow([_safe(cell) for cell in cells])
    return sink.getvalue().encode("utf-8-sig")


def _safe(cell: str) -> str:
    """Return a cell with the ' before what a spreadsheet takes for a formula, as the page's own CSV has it."""
    number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", cell, re.IGNORECASE | re.ASCII)
    return f"'{cell}" if cell[:1] in tuple("=+-@\t\r") and cell and not number else cell


class PageServer(ThreadingHTTPServer):
    """Pages of one run, for whoever holds the token.

    Parameters
    ----------
    run : path
        A run folder; its pages are the HTML files of questions in its folder ``pages``.
    port : int
        Port of 127.0.0.1; 0 for any. The same port lets a browser find what it could not send before.

    Raises
    ------
    InputError
        If the run has no such pages, or the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, run: str | Path, port: int = PORT) -> None:
        self.run = RunFolder.existing(run).path
        self.pages = {path.name: Kept(path) for path in sorted((self.run / "pages").glob("*.html")) if _is_page(path)}
        if not self.pages:
            raise InputError(
                f"{self.run / 'pages'} holds no page of questions; `filterscope edit {self.run} --part PART` writes one, and "
                f"`filterscope ask {self.run} --page {self.run / 'pages' / 'questions.html'}` another"
            )
        for kept in self.pages.values():
            kept.items()
        self._token, self._cookie, self._used, self._trade = (
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            False,
            Lock(),
        )
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise InputError(f"--port {port}: {error}; choose another") from None

    @property
    def address(self) -> str:
        """The address to open, with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self._token}"

    @property
    def cookie(self) -> tuple[str, str]:
        """Name and value of the cookie; browsers share cookies among ports."""
        return f"filterscope-{self.server_port}", self._cookie

    def trade(self, token: str) -> bool:
        """Take the token; True once."""
        with self._trade:
            if self._used or not hmac.compare_digest(token.encode(), self._token.encode()):
                return False
            self._used = True
            return True


def _is_page(path: Path) -> bool:
    try:
        return bool(held_of(path))
    except InputError:
        return False


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = 60

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, *_: object) -> None:
        """Say nothing: a log would hold the token."""

    def _answer(self, act: Any) -> None:
        try:
            self._refuse_others()
            act()
        except RefusedError as error:
            self._send(error.status, str(error).encode(), "text/plain; charset=utf-8")
        except InputError as error:
            self._send(500, str(error).encode(), "text/plain; charset=utf-8")

    def _refuse_others(self) -> None:
        """Refuse names of this machine that another could own, and pages of others that post here."""
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in hosts:
            raise RefusedError(403, "open the address that `filterscope serve` printed")
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in hosts:
            raise RefusedError(403, "another site may not ask this")

    def _refuse_strangers(self) -> None:
        name, value = self.server.cookie
        try:
            found = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        except CookieError:
            found = None
        if found is None or not hmac.compare_digest(found.value.encode(), value.encode()):
            raise RefusedError(
                403, "wrong token, or it was used: start `filterscope serve` again and open the address it prints"
            )

    def _get(self) -> None:
        parts = urlsplit(self.path)
        token = parse_qs(parts.query).get("token", [""])[0]
        if parts.path == "/" and token and self.server.trade(token):
            name, value = self.server.cookie
            cookie = f"{name}={value}; Path=/; Max-Age={_LASTS}; HttpOnly; SameSite=Strict"
            self._send(303, b"", "text/plain", {"Location": "/", "Set-Cookie": cookie})
            return
        self._refuse_strangers()
        if token:  # a reload of the first address
            self._send(303, b"", "text/plain", {"Location": "/"})
        elif parts.path == "/favicon.ico":  # browsers ask for it, whatever a page says
            self._send(204, b"", "image/x-icon")
        elif parts.path != "/":
            kept = self._kept(parts.path)
            self._send(200, served_page(kept.page, kept.items()), "text/html; charset=utf-8")
        elif len(self.server.pages) == 1:
            self._send(303, b"", "text/plain", {"Location": f"/{quote(next(iter(self.server.pages)))}"})
        else:
            self._send(200, _listed(self.server), "text/html; charset=utf-8")

    def _post(self) -> None:
        self._refuse_strangers()
        kept = self._kept(urlsplit(self.path).path)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or len(length) > 9 or int(length) > _LARGEST:
            self.close_connection = True
            raise RefusedError(413, f"answers have {_LARGEST:,} bytes at most")
        try:
            stated = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise RefusedError(400, "expected JSON") from None
        items = kept.merge(stated)
        self._send(200, json.dumps({"items": items, "file": str(kept.file)}).encode(), "application/json")

    def _kept(self, path: str) -> Kept:
        kept = self.server.pages.get(unquote(path).removeprefix("/"))
        if kept is None:
            raise RefusedError(404, "no such page")
        return kept

    def _send(self, status: int, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", **(more or {}),
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _listed(server: PageServer) -> bytes:
    """Return links to all pages."""
    from markupsafe import escape

    links = "".join(
        f'<li><a href="/{escape(quote(name))}">{escape(kept.held["title"])}</a></li>'
        for name, kept in server.pages.items()
    )
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    return f'<!doctype html><html lang="en"><meta charset="utf-8">{policy}<title>Pages</title><ul>{links}</ul></html>'.encode()


__all__ = ["HOST", "PORT", "Kept", "PageServer", "RefusedError"]
