# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any life of locked files: what is over is not extended, what was released is not held again."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    file_locks,
    files,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_id,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_locks import (
    LockRequest,
    LockState,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339,
)
from tests.simulator.harness import Simulator
from tests.tools.services import Process

from .watched import Watched, no_leftovers, put

__all__ = ["no_leftovers"]

SEEDS = int(os.environ.get("LOCKSTEP_MODEL_SEEDS", "2"))
STEPS = 24
DAY = 86_400


@pytest.fixture(autouse=True)
def clock(simulator: Simulator) -> Iterator[None]:
    """The cluster's clock, set right afterwards."""
    yield
    simulator.control("clock/skew", seconds=0)


class Life:
    """Files with their versions, and what the watcher has done to each version.

    :ivar locked: end of the retention period of each version that was seen locked.
    :ivar released: versions whose hold somebody released.
    """

    def __init__(
        self, simulator: Simulator, client: Client, watched: Watched, choose: random.Random
    ) -> None:
        self.simulator = simulator
        self.client = client
        self.fs = client.rest.fs
        self.watched = watched
        self.choose = choose
        self.counter = 0
        self.paths: dict[str, str] = {}  # by file ID
        self.locked: dict[tuple[str, str], datetime] = {}
        self.released: set[tuple[str, str]] = set()
        self.outside: set[str] = set()

    def look(self, file_id: str) -> tuple[tuple[str, str], LockState, bool]:
        """The version of a file, its lock, and whether it is locked now."""
        info = files.get(self.client, by_id(file_id), lock=True)
        state = LockState.of(info)
        now = self.client.measure_clock().now()
        return (file_id, info.data_revision), state, state.is_locked(now)

    def some(self, *, locked: bool) -> str | None:
        found = [each for each in sorted(self.paths) if self.look(each)[2] is locked]
        return self.choose.choice(found) if found else None

    def name(self, directory: str) -> str:
        self.counter += 1
        return f"{directory}/{self.counter}.pdf"

    # -- what happens -------------------------------------------------------------------------

    def create(self) -> None:
        path = self.name(self.choose.choice(["/w", "/w/held"]))
        put(self.simulator, path, "first")
        self.paths[files.get(self.client, by_path(path)).id] = path

    def write(self) -> None:
        file_id = self.some(locked=False)
        if file_id is not None:
            self.counter += 1
            put(self.simulator, self.paths[file_id], f"other data {self.counter}")

    def change_mode(self) -> None:
        file_id = self.some(locked=False)
        if file_id is not None:
            self.fs.set_file_attr(id_=file_id, mode=self.choose.choice(["0600", "0640"]))

    def set_time(self) -> None:
        file_id = self.some(locked=False)
        if file_id is not None:
            now = self.client.measure_clock().now()
            self.fs.set_file_attr(id_=file_id, modification_time=format_rfc3339(now))

    def move(self) -> None:
        file_id = self.some(locked=False)
        if file_id is not None:
            new = self.name(self.choose.choice(["/w", "/w/held"]))
            directory, _slash, name = new.rpartition("/")
            self.fs.rename(name=name, source=self.paths[file_id], dir_path=directory)
            self.paths[file_id] = new

    def link_from_elsewhere(self) -> None:
        """A file that is also known by a name that no rule covers."""
        path = self.name("/private")
        put(self.simulator, path)
        self.fs.create_link(
            name=path.rpartition("/")[2],
            target=path,
            dir_path=self.choose.choice(["/w", "/w/held"]),
        )
        self.outside.add(path)

    def release(self) -> None:
        for file_id in sorted(self.paths):
            version, state, _locked = self.look(file_id)
            if state.hold and self.choose.random() < 0.5:
                file = file_locks.read_target(self.client, by_id(file_id))
                request = LockRequest(None, hold=False)
                file_locks.ensure(self.client, file, request, check_mode=False)
                self.released.add(version)

    def time_passes(self) -> None:
        self.simulator.control("clock/advance", seconds=self.choose.choice([2, 31]) * DAY)

    def lose_checkpoints(self) -> None:
        for snapshot in snapshots.list_all(self.client):
            snapshots.delete(self.client, snapshot)

    def step(self) -> None:
        steps = {
            self.create: 4,
            self.write: 4,
            self.change_mode: 3,
            self.set_time: 2,
            self.move: 3,
            self.link_from_elsewhere: 1,
            self.release: 3,
        }
        (step,) = self.choose.choices(list(steps), list(steps.values()))
        step()

    def away(self) -> None:
        """What may happen while the watcher is away."""
        if self.choose.random() < 0.6:
            self.time_passes()
        for _step in range(self.choose.randrange(4)):
            self.step()
        chance = self.choose.random()
        if chance < 0.25:
            self.lose_checkpoints()
        elif chance < 0.5:  # another host, with the evidence of this one
            for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
                (self.watched.place / name).unlink(missing_ok=True)
            self.watched.settings["first_start"] = "existing"
            self.watched.write()

    # -- what must be -------------------------------------------------------------------------

    def check(self, process: Process) -> None:
        """All is looked at: each version has the lock that it got first, and no other one."""
        marker = self.name("/w")
        put(self.simulator, marker)
        self.watched.wait_recorded(marker)
        self.watched.wait_idle(process)
        for file_id, path in self.paths.items():
            version, state, locked = self.look(file_id)
            assert state.until is not None, path  # nothing is missed
            if version not in self.locked:
                assert locked, path
                self.locked[version] = state.until
            assert state.until == self.locked[version], path
            if version in self.released:
                assert not state.hold, path
        for path in self.outside:
            assert not self.watched.is_locked(path)


@pytest.mark.parametrize("use_snapshots", [True, False])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_version_is_locked_once(
    simulator: Simulator, client: Client, tmp_path: Path, seed: int, use_snapshots: bool
) -> None:
    put(simulator, "/w/held/there.tmp")
    put(simulator, "/private/there")
    rules = [{"path": "/w/held", "retention": None, "legal_hold": True}, {"path": "/w"}]
    watched = Watched(simulator, client, tmp_path, rules, snapshots=use_snapshots, max_attempts=1)
    choose = random.Random(seed)
    life = Life(simulator, client, watched, choose)
    step = 0
    while step < STEPS:
        with watched.running() as process:
            for _step in range(choose.randrange(1, 5)):
                # A version that is replaced before it was seen has no lock to be compared with.
                life.step()
                life.check(process)
                step += 1
        life.away()
    with watched.running() as process:
        life.check(process)
    watched.assert_chain()
