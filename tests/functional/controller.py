# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for AWX: keeps what the modules of awx.awx make, and applies AWX's rules to surveys.

It knows no object's meaning. What is posted to a list becomes an entry, associations are lists of
IDs, and a survey hangs on its job template: enough for the real modules to run against.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jinja2.sandbox import ImmutableSandboxedEnvironment

_ITEM = re.compile(r"/api/v2/(\w+)/(\d+)/")
_BELOW = re.compile(r"/api/v2/(\w+)/(\d+)/(\w+)/")
_LIST = re.compile(r"/api/v2/(\w+)/")


class Controller:
    """What there is."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, dict[str, Any]]] = {}
        self.associations: dict[str, list[int]] = {}
        self.surveys: dict[str, dict[str, Any]] = {}
        self.address = ""
        self._ids = itertools.count(1)

    def add(self, kind: str, /, **fields: Any) -> int:
        """Make an object; return its ID."""
        number = next(self._ids)
        url = f"/api/v2/{kind}/{number}/"
        related = {"survey_spec": f"{url}survey_spec/"}
        made = {"id": number, "url": url, "type": kind.rstrip("s"), "related": related}
        self.objects.setdefault(kind, {})[number] = {**made, **fields}
        return number

    def named(self, kind: str) -> dict[str, dict[str, Any]]:
        """Objects of a kind by their names."""
        return {found["name"]: found for found in self.objects.get(kind, {}).values()}

    def answer(
        self, method: str, path: str, query: Mapping[str, list[str]], body: dict[str, Any]
    ) -> tuple[int, Any]:
        """Return status and body."""
        if match := _BELOW.fullmatch(path):
            return self._below(method, path, match.group(3), body)
        if match := _ITEM.fullmatch(path):
            found = self.objects.get(match.group(1), {}).get(int(match.group(2)))
            if found is None:
                return 404, {"detail": "not found"}
            if method == "PATCH":
                found.update(body)
            return 200, found
        if match := _LIST.fullmatch(path):
            kind = match.group(1)
            if method == "POST":
                number = self.add(kind, **body)
                return 201, self.objects[kind][number]
            found_ones = [o for o in self.objects.get(kind, {}).values() if _matches(o, query)]
            return 200, {"count": len(found_ones), "next": None, "results": found_ones}
        return 404, {"detail": "not found"}

    def _below(self, method: str, path: str, what: str, body: dict[str, Any]) -> tuple[int, Any]:
        if what == "survey_spec":
            if method == "POST":
                self.surveys[path] = body
            return 200, self.surveys.get(path, {})
        ids = self.associations.setdefault(path, [])
        if method == "POST":
            if body.get("disassociate"):
                ids.remove(body["id"])
            else:
                ids.append(body["id"])
            return 204, None
        return 200, {"count": len(ids), "next": None, "results": [{"id": n} for n in ids]}


def _matches(found: Mapping[str, Any], query: Mapping[str, list[str]]) -> bool:
    for name, (value, *_more) in query.items():
        if name in ("name", "organization", "inventory") and str(found.get(name)) != value:
            return False
    return True


@contextmanager
def running_controller() -> Iterator[Controller]:
    """A controller for the time of a block, on a loopback address."""
    controller = Controller()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            split = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else {}
            status, answer = controller.answer(
                self.command, split.path, parse_qs(split.query), body
            )
            data = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _handle

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    controller.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield controller
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def problem(question: Mapping[str, Any], answer: Any) -> str | None:
    """Return why AWX refuses an answer of a survey, or None if it takes it."""
    kind = question["type"]
    if answer in ("", [], None):
        return "it must be answered" if question["required"] else None
    if kind in ("text", "textarea", "password"):
        if not isinstance(answer, str):
            return "it is no text"
        if not question["min"] <= len(answer) <= question["max"]:
            return f"{len(answer)} characters"
    elif kind == "integer":
        if isinstance(answer, bool) or not isinstance(answer, int):
            return "it is no number"
        if not question["min"] <= answer <= question["max"]:
            return "it is out of range"
    elif kind == "multiplechoice":
        if answer not in question["choices"]:
            return "it is none of the choices"
    elif not isinstance(answer, list) or not set(answer) <= set(question["choices"]):
        return "not all of it can be chosen"
    return None


def default(question: Mapping[str, Any]) -> Any:
    """Return what a form shows before anybody has changed it."""
    value = question.get("default", "")
    return value.splitlines() if question["type"] == "multiselect" else value


def inject(
    credential_type: Mapping[str, Any], values: Mapping[str, str], ca_path: str
) -> tuple[dict[str, str], str]:
    """Return the environment that a credential makes, and the content of its file."""
    environment = ImmutableSandboxedEnvironment()
    for field in credential_type["inputs"]["fields"]:
        assert field["id"] in values or field["id"] not in credential_type["inputs"]["required"]
    names: dict[str, Any] = {**values, "tower": {"filename": {"ca": ca_path}}}
    injectors = credential_type["injectors"]
    variables = {k: environment.from_string(v).render(names) for k, v in injectors["env"].items()}
    return variables, environment.from_string(injectors["file"]["template.ca"]).render(names)
