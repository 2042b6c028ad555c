# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a search engine, and to what is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    bulk,
    search_client,
    search_index,
)
from tests.functional.search_engine import SearchEngine, running
from tests.simulator import certificates


@pytest.fixture
def engine() -> Iterator[SearchEngine]:
    """A search engine."""
    with running() as started:
        yield started


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited."""
    waited: list[float] = []
    monkeypatch.setattr(search_client, "sleep", waited.append)
    return waited


def send(engine: SearchEngine, lines: Path | None = None, **more: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "url": engine.url,
        "src": None if lines is None else str(lines),
        "first": None,
        "complete": True,
        "directory": None,
        "checkpoint": None,
        "username": None,
        "password": None,
        "ca_path": None,
        "request_entries": 1000,
        "request_bytes": 1 << 20,
        "timeout": 20.0,
        "retries": 2,
        **more,
    }
    return search_index.run(options, options.pop("check_mode", False))


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A list of five documents."""
    made = [
        f'{{"index": {{"_id": "{bulk.document_id(name)}"}}}}\n{json.dumps({"path": name})}\n'
        for name in "abcde"
    ]
    (tmp_path / "lines").write_text("".join(made))
    return tmp_path / "lines"


def test_certificate_is_verified(tmp_path: Path, lines: Path) -> None:
    ca, context = certificates.create(tmp_path, ["127.0.0.1"])
    other = tmp_path / "other"
    other.mkdir()
    certificates.create(other, ["127.0.0.1"])
    with running(context) as engine:
        assert send(engine, lines, ca_path=str(ca))["indexed"] == 5
        with pytest.raises(errors.TlsError, match="cannot be trusted: .* Set ca_path"):
            send(engine, lines, ca_path=str(other / "ca.pem"))
        with pytest.raises(errors.InputError, match="Cannot read the CA certificates in /none"):
            send(engine, lines, ca_path="/none")
        (tmp_path / "empty").touch()
        with pytest.raises(errors.InputError, match="Cannot read the CA certificates"):
            send(engine, lines, ca_path=str(tmp_path / "empty"))
    with running() as engine, pytest.raises(errors.InputError, match="ca_path needs a url"):
        send(engine, lines, ca_path=str(ca))


def test_what_is_no_search_engine_is_refused(engine: SearchEngine, lines: Path) -> None:
    for raw, said in (
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "does not answer with a mapping"),
        (b"HTTP/1.0 200 OK\r\n\r\n[]", "does not answer with a mapping"),
        (b'HTTP/1.0 200 OK\r\n\r\n{"files": 1}', "does not answer with a mapping"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n<html>", "answers 404 without JSON"),
        (b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "302 without JSON"),
        (b'HTTP/1.0 403 No\r\n\r\n{"error": {"type": "x", "reason": "y"}}', "x: y"),
        (b'HTTP/1.0 500 No\r\n\r\n{"error": "plain"}', r"answers 500 \(plain\)"),
        (b"", "Cannot get an answer"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n{", "Cannot get an answer"),
        (b"HTTP/1.0 400 No\r\nContent-Length: 10\r\n\r\n{", "Cannot get an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "Cannot get an answer"),
    ):
        engine.raw = raw
        with pytest.raises(errors.QumuloError, match=said):
            send(engine, lines)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"errors": False},
        {"errors": False, "items": []},
        {"errors": False, "items": [{"index": {"status": 201}}] * 4},
        {"errors": False, "items": [{"index": {"status": 201}}] * 6},
        {"errors": False, "items": [{"index": {}}] * 5},
        {"errors": False, "items": [{}] * 5},
        {"errors": True, "items": [{"index": {"status": 201}}] * 5},
        {"errors": False, "items": [{"index": {"status": 404}}] * 5},
    ],
    ids=str,
)
def test_answer_must_confirm_every_entry(
    engine: SearchEngine, lines: Path, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_bulk", lambda *_arguments: body)
    with pytest.raises(errors.QumuloError, match="does not answer as|refused"):
        send(engine, lines)


def test_busy_engine_is_asked_less_and_less(
    engine: SearchEngine, lines: Path, waits: list[float]
) -> None:
    engine.failures = [429, {"items": 503}, 502]
    assert send(engine, lines, retries=3)["indexed"] == 5
    assert len(waits) == 3 and all(0.5 <= wait <= 60 for wait in waits)
    engine.failures = [429] * 3
    with pytest.raises(errors.BusyError, match="after 3 attempts"):
        send(engine, lines, retries=2)
    assert len(waits) == 5 and waits[4] > 1


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (413, r"refuses a request of that size \(413\). Lower request_bytes."),
        (400, "answers 400"),
        (401, "does not accept the user name and password"),
        (403, "Grant the user '' the privileges"),
        (429, r"answers 429 \(es_rejected_execution_exception: rejected execution\), after 1"),
        ({"items": 429}, "was too busy for 2 of 2 entries, after 1 attempts: e: rejected."),
        ({"items": 400}, "refused 2 of 2 entries: e: rejected."),
    ],
    ids=str,
)
def test_refused_request_ends_in_a_sentence(
    engine: SearchEngine, lines: Path, failure: Any, said: str
) -> None:
    engine.failures = [None, failure]
    with pytest.raises(errors.QumuloError, match=said):
        send(engine, lines, request_entries=2, retries=0)
    assert len(engine.bodies) == 2
    assert send(engine, lines)["indexed"] == 5 and engine.paths == list("abcde")


def test_engine_says_how_long_to_wait(
    engine: SearchEngine, lines: Path, waits: list[float]
) -> None:
    engine.raw = b"HTTP/1.0 503 Busy\r\nRetry-After: 7\r\n\r\n"
    with pytest.raises(errors.BusyError):
        send(engine, lines, retries=1)
    assert waits == [7.0]


def test_only_preparing_sends_nothing(engine: SearchEngine) -> None:
    assert send(engine, check_mode=True)["created"] and engine.indexes == {}
    assert send(engine)["created"] and not send(engine)["created"]
    assert engine.bodies == []


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("request_entries", 0, "request_entries is a number from 1 to 100000, not 0"),
        ("request_bytes", 1, "request_bytes is a number from 65536 to 104857600, not 1"),
        ("timeout", 0.0, "set it to a number of seconds from 1 to 3600"),
        ("retries", 21, "set it to a number from 0 to 20"),
        ("directory", "p", "directory"),
        ("first", "/none", "first needs src"),
        ("src", "/none", "Cannot read /none: No such file or directory"),
        ("username", "me", "password is not"),
    ],
)
def test_wrong_option_ends_in_a_sentence(
    engine: SearchEngine, option: str, value: Any, said: str
) -> None:
    with pytest.raises(errors.InputError, match=said):
        send(engine, **{option: value})


def test_connection_that_breaks_off_is_made_again(
    engine: SearchEngine, lines: Path, waits: list[float]
) -> None:
    engine.failures = ["drop", None, "drop"]
    assert send(engine, lines, request_entries=3)["indexed"] == 5
    assert engine.paths == list("abcde") and len(waits) == 2
    engine.failures = ["drop"] * 3
    with pytest.raises(errors.UnreachableError, match="Cannot get an answer"):
        send(engine, lines)
