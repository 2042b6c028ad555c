# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict stand-in for a search engine: mappings, dates, and requests in bulk."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z")


class _Refused(Exception):
    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.body = {"error": {"type": kind, "reason": reason}, "status": status}


class SearchEngine:
    """What is in it, and how it behaves.

    :ivar indexes: mappings by index.
    :ivar documents: of all indexes, by ID.
    :ivar bodies: of the requests to ``_bulk``.
    :ivar raw: answered to everything instead.
    :ivar failures: answered to the next requests to ``_bulk``, one each: a status, or a status of
        each entry as ``{"items": 429}``, "silence", or "drop".
    """

    def __init__(self) -> None:
        self.port = 0
        self.scheme = "http"
        self.indexes: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, dict[str, Any]] = {}
        self.bodies: list[bytes] = []
        self.failures: list[Any] = []
        self.limit = 100 * 1024 * 1024
        self.raw: bytes | None = None
        self.login: tuple[str, str] | None = None
        self.requests: list[str] = []
        self.silent = threading.Event()

    @property
    def url(self) -> str:
        """URL of the index ``files``."""
        return f"{self.scheme}://127.0.0.1:{self.port}/files"

    @property
    def paths(self) -> list[str]:
        """Paths of all documents."""
        return sorted(document["path"] for document in self.documents.values())

    # -- requests ---------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Any:
        """Answer one request."""
        self.requests.append(f"{method} {target}")
        if self.login is not None:
            expected = base64.b64encode(":".join(self.login).encode()).decode()
            if headers["Authorization"] != f"Basic {expected}":
                raise _Refused(401, "security_exception", "unable to authenticate")
        if len(body) > self.limit:
            raise _Refused(413, "", "")
        _empty, index, *rest = urlsplit(target).path.split("/")
        if method == "POST" and rest == ["_bulk"]:
            return self._bulk(index, headers, body)
        if body and headers["Content-Type"] != "application/json":
            raise _Refused(406, "media_type_header_exception", "Content-Type is not supported")
        if method == "GET" and rest == ["_mapping"]:
            return {index: {"mappings": self._index(index)}}
        if method == "PUT" and not rest:
            if index in self.indexes:
                raise _Refused(400, "resource_already_exists_exception", f"[{index}] exists")
            made = json.loads(body)
            assert set(made) <= {"mappings", "settings"}
            self.indexes[index] = made.get("mappings", {})
            return {"acknowledged": True, "index": index}
        if method == "PUT" and rest == ["_mapping"]:
            added = json.loads(body)
            found = self._index(index)
            for name, field in added.get("properties", {}).items():
                if found.setdefault("properties", {}).setdefault(name, field) != field:
                    raise _Refused(400, "illegal_argument_exception", "cannot change the type")
            found.update({"_meta": added["_meta"]} if "_meta" in added else {})
            return {"acknowledged": True}
        raise _Refused(405, "", f"{method} {target}")

    def _index(self, index: str) -> dict[str, Any]:
        if index not in self.indexes:
            raise _Refused(404, "index_not_found_exception", f"no such index [{index}]")
        return self.indexes[index]

    def _bulk(self, index: str, headers: Any, body: bytes) -> Any:
        if headers["Content-Type"] != "application/x-ndjson":
            raise _Refused(406, "media_type_header_exception", "Content-Type is not supported")
        self.bodies.append(body)
        failure = self.failures.pop(0) if self.failures else None
        if failure == "drop":
            raise ConnectionAbortedError
        if failure == "silence":
            self.silent.wait(60)
            failure = 504
        if isinstance(failure, int):
            raise _Refused(failure, "es_rejected_execution_exception", "rejected execution")
        if not body.endswith(b"\n"):
            raise _Refused(400, "illegal_argument_exception", "must be terminated by a newline")
        mapping = self._index(index)["properties"]
        lines = body.decode("utf-8").splitlines()
        items = []
        while lines:
            ((action, where),) = json.loads(lines.pop(0)).items()
            assert set(where) == {"_id"} and len(where["_id"].encode()) <= 512
            line = lines.pop(0) if action != "delete" else ""
            if isinstance(failure, dict):
                item = {"status": failure["items"], "error": {"type": "e", "reason": "rejected"}}
            elif action == "delete":
                gone = self.documents.pop(where["_id"], None)
                item = {"status": 404 if gone is None else 200}
            else:
                assert action == "index"
                item = self._store(mapping, where["_id"], line)
            items.append({action: item})
        return {"errors": any("error" in next(iter(i.values())) for i in items), "items": items}

    def _store(self, mapping: dict[str, Any], document: str, line: str) -> dict[str, Any]:
        found = json.loads(line)
        for name, value in found.items():
            if value is not None and not _fits(mapping[name], value):
                reason = f"failed to parse field [{name}] of type [{mapping[name]['type']}]"
                return {"status": 400, "error": {"type": "mapper_parsing", "reason": reason}}
        json.dumps(found, ensure_ascii=False).encode()  # fails with half a surrogate pair
        self.documents[document] = found
        return {"status": 201}


def _fits(field: dict[str, Any], value: Any) -> bool:
    kind = field["type"]
    if kind == "date":
        match = _DATE.fullmatch(value) if isinstance(value, str) else None
        return match is not None and bool(datetime.fromisoformat(match.group(1)))
    if kind == "long":
        return type(value) is int and -(1 << 63) <= value < 1 << 63
    if kind == "boolean":
        return type(value) is bool
    return kind in ("keyword", "text") and isinstance(value, str)


@contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[SearchEngine]:
    """A search engine that runs on a port of this host.

    :param context: for TLS
    """
    engine = SearchEngine()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status = 200
            if engine.raw is not None:
                self.wfile.write(engine.raw)
                self.close_connection = True
                return
            try:
                found = engine.answer(self.command, self.path, self.headers, body)
            except ConnectionAbortedError:
                self.close_connection = True
                return
            except _Refused as exc:
                status, found = exc.status, exc.body
            sent = json.dumps(found).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)
            except OSError:
                pass  # the client has given up, which some tests are about

        do_GET = do_POST = do_PUT = _handle

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine.port = server.server_port
    if context is not None:
        engine.scheme = "https"
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield engine
    finally:
        engine.silent.set()
        server.shutdown()
        thread.join()
        server.server_close()
