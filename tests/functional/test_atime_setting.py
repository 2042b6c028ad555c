# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The setter: servers that hang, files that fail alone, and spools that can not be written."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (
    Beneath,
    Outcome,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.config import (
    MountPoint,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.mounts import (
    MountError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.setting import (
    Backend,
    Result,
    Setter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.through_mount import (  # noqa: E501
    ThroughMount,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.retries import (
    LONGEST_WAIT,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import (
    Entry,
    Item,
    SpoolFullError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from tests.tools.services import wait_for

from .test_atime import NEW, atime, make, tmpfs


class Fake:
    """A backend that does what a test wants."""

    allowance: float | None = None

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.error: MountError | None = None
        self.failing: set[bytes | str] = set()

    def apply(self, items: Sequence[Item], stopped: threading.Event) -> Iterator[Result]:
        """Set files as the test says."""
        for item in items:
            self.answers.wait()
            if self.error is not None:
                raise self.error
            failed = item.key in self.failing
            yield Result(item, None if failed else Outcome.SET, "it fails" if failed else "")

    def look(self) -> None:
        """Nothing to see."""

    def rest(self) -> None:
        """Nothing to let go."""


@pytest.fixture
def spool() -> Iterator[SqliteSpool]:
    """An empty spool."""
    made = SqliteSpool(":memory:", postpone=False)
    yield made
    made.close()


@contextmanager
def working(
    spool: SqliteSpool, backend: Backend, *, max_attempts: int = 3
) -> Iterator[tuple[Setter, list[Result]]]:
    done: list[Result] = []
    setter = Setter(
        spool,
        backend,
        lambda results, gone: done.extend(results),
        max_attempts=max_attempts,
        longest=lambda: LONGEST_WAIT,
        hung=0.3,
    )
    setter.start()
    try:
        yield setter, done
    finally:
        setter.stop(time.monotonic() + 60)
    assert setter.failure() is None


def put(spool: SqliteSpool, *keys: bytes) -> None:
    spool.put([Entry(key, "", NEW, 0.0) for key in keys])


def test_a_server_that_hangs_is_waited_for(spool: SqliteSpool) -> None:
    fake = Fake()
    fake.answers.clear()
    with working(spool, fake) as (setter, done):
        put(spool, b"/a", b"/b")
        wait_for(lambda: setter.state == "hanging")
        put(spool, b"/c")
        assert (spool.counts().waiting, done) == (3, [])
        fake.answers.set()
        wait_for(lambda: spool.counts().waiting == 0)
        wait_for(lambda: setter.state == "idle")
    assert {result.item.key for result in done} == {b"/a", b"/b", b"/c"}


def test_what_was_set_before_the_work_stopped_is_done(spool: SqliteSpool) -> None:
    class Breaking(Fake):
        def apply(self, items: Sequence[Item], stopped: threading.Event) -> Iterator[Result]:
            yield Result(items[0], Outcome.SET)
            raise MountError("The mount is gone: mount it.")

    put(spool, b"/a", b"/b")
    with working(spool, Breaking()) as (setter, done):
        wait_for(lambda: setter.state == "stopped")
        wait_for(lambda: len(done) == 1)
        assert setter.message == "The mount is gone: mount it."
    assert spool.counts().waiting == 1


def test_a_file_that_fails_holds_up_no_other(spool: SqliteSpool) -> None:
    fake = Fake()
    fake.failing = {b"/bad"}
    put(spool, b"/bad", *(b"/%d" % number for number in range(50)))
    with working(spool, fake) as (setter, _done):
        wait_for(lambda: spool.counts().waiting == 1)
        assert setter.state != "stopped"
    found = spool.get(b"/bad")
    assert found is not None
    item, given_up = found
    assert (item.attempts, item.error, given_up) == (1, "it fails", False)
    assert item.due > time.time()


def test_what_fails_again_and_again_is_left_to_people(spool: SqliteSpool) -> None:
    fake = Fake()
    fake.failing = {b"/bad"}
    put(spool, b"/bad")
    with working(spool, fake, max_attempts=1):
        wait_for(lambda: spool.counts().given_up == 1)


def test_what_was_set_is_written_back_once_there_is_room(
    spool: SqliteSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Event()
    full.set()
    done = SqliteSpool.done

    def maybe(self: SqliteSpool, items: Sequence[Item]) -> int:
        if full.is_set():
            raise SpoolFullError("There is no room.")
        return done(self, items)

    monkeypatch.setattr(SqliteSpool, "done", maybe)
    put(spool, b"/a")
    with working(spool, Fake()) as (setter, results):
        wait_for(lambda: setter.message == "There is no room.")
        assert results == []
        full.clear()
        wait_for(lambda: len(results) == 1)
        wait_for(lambda: setter.state == "idle")


def test_a_file_of_a_sound_mount_that_fails(
    tmp_path: Path, spool: SqliteSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_one = Beneath.set_access_time

    def fail_one(self: Beneath, path: bytes, time_ns: int, **options: bool) -> Outcome:
        if path == b"bad":
            raise MountError("Input/output error.")
        return set_one(self, path, time_ns, **options)

    monkeypatch.setattr(Beneath, "set_access_time", fail_one)
    with tmpfs(tmp_path / "mount") as mount:
        path = make(mount, "good")
        backend = ThroughMount(MountPoint(str(mount), "/", None, ("tmpfs",)), lambda: 1)
        put(spool, b"/bad", b"/good")
        with working(spool, backend) as (setter, _done):
            wait_for(lambda: atime(path) == NEW)
            assert setter.state != "stopped"
        found = spool.get(b"/bad")
        assert found is not None and found[0].attempts == 1
        # It has let go of the mount.
        numbers = [path for path in Path("/proc/self/fd").iterdir() if os.path.lexists(path)]
        mine = {os.readlink(path) for path in numbers}
        assert str(mount) not in mine
