# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list in the background, when things happen at awkward times."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import watch
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.collector import (  # noqa: E501
    Collector,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.counters import (  # noqa: E501
    Counters,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.sightings import (  # noqa: E501
    Sightings,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.handles import (
    Handle,
    Identity,
)
from tests.tools.visitor import until

TIMEOUT = 180.0
JANE = Identity("1", "CORP\\jane")


class Cluster:
    """Answers each listing when the test says so."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.answers: list[Any] = []
        self.ready = threading.Semaphore(0)

    def list_handles(self, *_args: Any, **_options: Any) -> list[Handle]:
        """In place of the real one."""
        self.begun.release()
        assert self.ready.acquire(timeout=TIMEOUT)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [Handle(place, place, f"/{place}", JANE, ("read",), 0) for place in answer]

    def answer(self, *places: str) -> None:
        """Let the listing that is under way, or the next one, see these handles."""
        self.answers.append(places)
        self.ready.release()

    def fail(self, error: Exception) -> None:
        """Let it fail."""
        self.answers.append(error)
        self.ready.release()

    def wait_for_listing(self) -> None:
        """Wait until a listing is under way."""
        assert self.begun.acquire(timeout=TIMEOUT)


class FakeClient:
    """Is handed through, and asks nothing."""

    def clone(self) -> FakeClient:
        return self

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Nothing to close."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(watch, "list_handles", made.list_handles)
    return made


@pytest.fixture
def rejected() -> list[str]:
    return []


@pytest.fixture
def refused() -> list[str]:
    return []


@pytest.fixture
def watched(cluster: Cluster, rejected: list[str], refused: list[str]) -> Iterator[watch.Watch]:
    made = watch.Watch(
        interval=3600,  # only what is asked for
        sightings=Sightings(timedelta(minutes=1)),
        collector=Collector(),
        counters=Counters(),
        rejected=rejected.append,
        refused=lambda session_id, _error: refused.append(session_id),
        name="test",
    )
    client: Any = FakeClient()
    made.add("one", client)
    yield made
    made.stop()
    for _ in range(4):  # whatever is under way
        cluster.answer()


def places(view: watch.View) -> list[str]:
    return [] if view.board is None else [e.handle.location for e in view.board.entries]


def test_a_listing_under_way_does_not_bring_back_what_was_closed(
    cluster: Cluster, watched: watch.Watch
) -> None:
    cluster.answer("a", "b")
    until(lambda: places(watched.look()) == ["a", "b"])
    cluster.wait_for_listing()
    watched.refresh()
    cluster.wait_for_listing()  # the cluster has read its list ...
    watched.forget({"a"})  # ... and then the handle is closed
    assert places(watched.look()) == ["b"]
    generation = watched.look().generation
    cluster.answer("a", "b")
    assert places(watched.wait(generation, TIMEOUT)) == ["b"]
    cluster.wait_for_listing()  # asked for by the closing
    generation = watched.look().generation
    cluster.answer("b", "c")
    assert places(watched.wait(generation, TIMEOUT)) == ["b", "c"]


def test_generations_grow(cluster: Cluster, watched: watch.Watch) -> None:
    seen = [watched.look().generation]
    for _ in range(3):
        cluster.answer("a")
        seen.append(watched.wait(seen[-1], TIMEOUT).generation)
        watched.refresh()
    watched.forget({"a"})
    seen.append(watched.look().generation)
    assert seen == sorted(set(seen)) and seen[0] == 0


@pytest.mark.parametrize("error", [errors.ServerError("The cluster failed."), ZeroDivisionError()])
def test_an_error_leaves_the_last_list_and_passes(
    cluster: Cluster, watched: watch.Watch, error: Exception
) -> None:
    cluster.answer("a")
    generation = watched.wait(0, TIMEOUT).generation
    watched.refresh()
    cluster.fail(error)
    view = watched.wait(generation, TIMEOUT)
    assert view.error is not None and places(view) == ["a"]
    watched.refresh()
    cluster.answer("b")
    until(lambda: watched.look().error is None)
    assert places(watched.look()) == ["b"]


def test_another_sessions_token_takes_over(
    cluster: Cluster, watched: watch.Watch, rejected: list[str]
) -> None:
    cluster.wait_for_listing()
    client: Any = FakeClient()
    watched.add("two", client)
    cluster.fail(errors.AuthenticationError("The token is over."))
    cluster.answer("a")
    assert places(watched.wait(0, TIMEOUT)) == ["a"]
    assert rejected == ["one"]


def test_without_any_token_whoever_waits_is_told(
    cluster: Cluster, watched: watch.Watch, rejected: list[str]
) -> None:
    cluster.fail(errors.AuthenticationError("The token is over."))
    assert isinstance(watched.wait(0, TIMEOUT).error, errors.AuthenticationError)
    until(lambda: rejected == ["one"])


def test_a_refusal_withdraws_the_list(
    cluster: Cluster, watched: watch.Watch, rejected: list[str], refused: list[str]
) -> None:
    cluster.answer("a")
    generation = watched.wait(0, TIMEOUT).generation
    watched.refresh()
    error = errors.MissingPrivilegeError("Refused.", privilege="PRIVILEGE_X", status=403)
    cluster.fail(error)
    until(lambda: refused == ["one"])
    assert watched.look() == watch.View(None, error)
    assert not watched.uses("one") and not rejected
    client: Any = FakeClient()
    watched.add("two", client)  # of the same account, with other privileges
    cluster.answer("b")
    assert places(watched.wait(generation, TIMEOUT)) == []  # the error is still known
    until(lambda: places(watched.look()) == ["b"])


def test_a_refusal_leaves_the_list_to_another_session(
    cluster: Cluster, watched: watch.Watch, refused: list[str]
) -> None:
    cluster.answer("a")
    until(lambda: places(watched.look()) == ["a"])
    client: Any = FakeClient()
    watched.add("two", client)
    cluster.fail(errors.PermissionDeniedError("Refused.", status=403))
    cluster.answer("b")
    until(lambda: places(watched.look()) == ["b"])
    assert refused == ["two"] and watched.uses("one") and watched.look().error is None


def test_nobody_looks_so_nothing_is_asked(
    cluster: Cluster, rejected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "QUIET", 0.0)
    made = watch.Watch(
        interval=0.01,
        sightings=Sightings(timedelta(minutes=1)),
        collector=Collector(),
        counters=Counters(),
        rejected=rejected.append,
        refused=lambda *_refusal: None,
        name="quiet",
    )
    client: Any = FakeClient()
    made.add("one", client)
    cluster.wait_for_listing()
    cluster.answer("a")
    # The next one begins when somebody looks, and not before.
    assert not cluster.begun.acquire(timeout=0.2)
    made.look()
    cluster.wait_for_listing()
    made.stop()
    cluster.answer()


def test_the_collector_rests_while_anybody_wishes() -> None:
    until(gc.isenabled)  # a watch of another test may be about to end
    collector = Collector()
    with collector.resting():
        with collector.resting():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
