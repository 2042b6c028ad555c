# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from qumulo.lib import auth

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    AuthenticationError,
    InputError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.session import (
    NODE_REST,
    Session,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def make(clock: Clock | None = None, **options: Any) -> Session:
    settings = Settings(hosts=options.pop("hosts", ("a", "b", "c")), **options)
    return Session(settings, monotonic=clock or Clock())


def no_login() -> str:
    raise AssertionError("nobody may log in here")


def test_connections_begin_at_different_nodes() -> None:
    session = make()
    assert [session.pick_host(session.next_start()) for _turn in range(4)] == ["a", "b", "c", "a"]


def test_a_node_that_does_not_answer_rests_and_comes_back() -> None:
    clock = Clock()
    session = make(clock)
    session.mark_unreachable("a")
    assert session.pick_host(0) == "b"
    clock.time += NODE_REST
    assert session.pick_host(0) == "a"


def test_when_all_rest_the_first_to_wake_is_asked() -> None:
    clock = Clock()
    session = make(clock)
    for host in ("b", "a", "c"):
        session.mark_unreachable(host)
        clock.time += 1
    assert session.pick_host(0) == "b"


def test_a_node_that_answers_again_is_used_at_once() -> None:
    session = make()
    session.mark_unreachable("a")
    session.mark_reached("a")
    assert session.reached and session.pick_host(0) == "a"


def test_of_many_threads_with_a_refused_token_one_logs_in() -> None:
    session = make(username="u", password="p")
    logins: list[str] = []
    barrier = threading.Barrier(8)

    def login() -> str:
        logins.append("x")
        return f"token{len(logins)}"

    _token, generation = session.token(login)

    def refused(_index: int) -> tuple[str, int]:
        barrier.wait(timeout=120)
        assert session.renew(generation, login)
        return session.token(login)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(refused, range(8))) == {("token2", generation + 1)}
    assert len(logins) == 2


def test_a_bad_token_is_named_by_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"The access token \(access_token\) must hold"):
        make(access_token="a b")
    monkeypatch.setenv("QUMULO_ACCESS_TOKEN", " a b ")
    with pytest.raises(InputError, match=r"The access token \(QUMULO_ACCESS_TOKEN\) must hold"):
        make(access_token="a b")


def test_an_access_token_can_not_be_renewed() -> None:
    session = make(access_token="access-v1:x")
    assert session.token(no_login) == ("access-v1:x", 1)
    assert not session.renew(1, no_login)


def test_a_rotated_token_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    session = make(access_token_file=str(path))
    assert session.token(no_login)[0] == "old"
    assert not session.renew(1, no_login)  # the same one: no use
    path.write_text("new\n")
    assert session.renew(2, no_login)
    assert session.token(no_login)[0] == "new"


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe"])
def test_a_token_file_without_one_token_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(InputError, match=str(path)):
        make(access_token_file=str(path)).token(no_login)


def test_credentials_of_qq_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    # As qq login does; releases of the SDK before 7.10.2 have one file for all clusters.
    if hasattr(auth, "credential_store_path"):
        store = auth.credential_store_path("b", 8000, None)
    else:
        store = auth.credential_store_filename()
    auth.set_credentials({"bearer_token": "stored"}, store)
    assert make().token(no_login)[0] == "stored"


def test_a_named_store_of_qq_that_is_empty_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="qq login"):
        make(credentials_file=str(tmp_path / "none")).token(no_login)


def test_a_broken_store_of_qq_says_so(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.write_text("{")
    with pytest.raises(InputError, match="Cannot read"):
        make(credentials_file=str(path)).token(no_login)


def test_no_credentials_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(AuthenticationError, match="username and password"):
        make().token(no_login)
