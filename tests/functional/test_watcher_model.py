# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any sequence of changes, dropped streams, kills, lost checkpoints and directories that may not
be listed, against a model of what must be locked."""

from __future__ import annotations

import json
import os
import random
import signal
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from tests.simulator.harness import Simulator
from tests.tools.services import Process, wait_for

from .watched import Watched

#: Sequences to try, each other than the ones before.
SEEDS = int(os.environ.get("LOCKSTEP_MODEL_SEEDS", "2"))
STEPS = 60
QUIET = 3600


class File:
    """A file of the model.

    :ivar touched: something has happened to it that makes it one to be locked.
    :ivar linked: it has had several names; what is told of it then depends on the name.
    :ivar doubtful: it was moved with its directory, and no checkpoint is left to tell.
    """

    def __init__(self) -> None:
        self.touched = False
        self.linked = False
        self.doubtful = False


class Model:
    """The tree, and what has happened to it since the watcher was first started."""

    def __init__(self, simulator: Simulator, client: Client, choose: random.Random) -> None:
        self.simulator = simulator
        self.client = client
        self.fs = client.rest.fs
        self.choose = choose
        self.directories = ["/w", "/w/a", "/w/a/b", "/out", "/out/a"]
        self.files: dict[str, File] = {}
        self.counter = 0
        #: The cluster does not have all checkpoints, and the watcher not all that it knew.
        self.checkpoints_lost = self.state_lost = False
        #: The watcher knows where it was: from its state, or since a start from a checkpoint.
        self.known = True
        #: Files that were moved with a directory since everything was seen.
        self.carried: set[File] = set()
        self.forbidden = False
        for path in self.directories:
            self.write(f"{path}/before-{len(self.files)}.pdf")
        for file in self.files.values():
            file.touched = False  # it was there before the watcher

    def name(self, path: str) -> str:
        """A new name in a directory."""
        self.counter += 1
        ending = self.choose.choice(["pdf", "pdf", "pdf", "tmp"])
        return f"{path}/{self.counter}.{ending}"

    def some_directory(self) -> str:
        return self.choose.choice(self.directories)

    def some_file(self) -> str | None:
        return self.choose.choice(sorted(self.files)) if self.files else None

    def touch(self, path: str) -> None:
        """What happens to a name counts where a rule covers that name."""
        if covered(path):
            self.files[path].touched = True
            self.files[path].doubtful = self.nothing_known

    @property
    def nothing_known(self) -> bool:
        """State and checkpoints are lost together: the next start is a first one."""
        return self.checkpoints_lost and not self.known

    # -- steps ------------------------------------------------------------------------------

    def write(self, path: str) -> None:
        self.simulator.control("files/put", path=path, content=f"{self.counter}")
        self.files.setdefault(path, File())
        self.touch(path)

    def create(self) -> None:
        self.write(self.name(self.some_directory()))

    def burst(self) -> None:
        for _number in range(10):
            self.create()

    def overwrite(self) -> None:
        path = self.some_file()
        if path is not None:
            self.write(path)

    def rename(self) -> None:
        path = self.some_file()
        if path is None:
            return
        directory, _slash, name = (new := self.name(self.some_directory())).rpartition("/")
        self.fs.rename(name=name, source=path, dir_path=directory)
        self.files[new] = self.files.pop(path)
        self.touch(new)

    def move_directory(self) -> None:
        old = self.choose.choice([path for path in self.directories if path not in ("/w", "/out")])
        above = self.some_directory()
        if above == old or above.startswith(old + "/"):
            return
        self.counter += 1
        new = f"{above}/dir{self.counter}"
        self.fs.rename(name=f"dir{self.counter}", source=old, dir_path=above)
        self.directories = [moved(path, old, new) for path in self.directories]
        self.files = {moved(path, old, new): file for path, file in self.files.items()}
        for path in self.files:
            if path.startswith(new + "/") and covered(path):
                if not self.files[path].touched:
                    self.carried.add(self.files[path])
                self.files[path].touched = True
                self.files[path].doubtful |= self.nothing_known

    def make_directory(self) -> None:
        self.counter += 1
        above = self.some_directory()
        self.fs.create_directory(name=f"dir{self.counter}", dir_path=above)
        self.directories.append(f"{above}/dir{self.counter}")

    def delete(self) -> None:
        path = self.some_file()
        if path is not None:
            self.fs.delete(path=path)
            del self.files[path]

    def link(self) -> None:
        path = self.some_file()
        if path is None:
            return
        directory, _slash, name = (new := self.name(self.some_directory())).rpartition("/")
        self.fs.create_link(name=name, target=path, dir_path=directory)
        self.files[new] = self.files[path]
        self.files[path].linked = True
        self.touch(new)

    def drop(self) -> None:
        self.simulator.control("streams/drop")

    def forbid(self) -> None:
        """A directory may not be listed for a while."""
        path = self.some_directory()
        known = self.fs.get_file_attr(path=path)["id"]
        route = f"GET /v1/files/({known}|{quote(path, safe='')})/entries/"
        self.simulator.control("faults/add", route=route, kind="403")
        self.forbidden = True

    def permit(self) -> None:
        self.simulator.control("faults/clear")
        self.forbidden = False

    def lose_checkpoints(self) -> None:
        """Only times can tell what has changed; they do not tell all of what was moved."""
        self.checkpoints_lost = True
        for snapshot in snapshots.list_all(self.client):
            snapshots.delete(self.client, snapshot)
        for file in self.carried if self.known else self.files.values():
            file.doubtful = True

    def step(self) -> None:
        """Let something happen."""
        steps = {
            self.create: 8,
            self.burst: 1,
            self.overwrite: 4,
            self.rename: 6,
            self.move_directory: 4,
            self.make_directory: 2,
            self.delete: 3,
            self.link: 2,
            self.drop: 3,
            self.forbid: 2,
            self.permit: 3,
        }
        (step,) = self.choose.choices(list(steps), list(steps.values()))
        step()

    # -- what must be -------------------------------------------------------------------------

    def names(self) -> dict[File, list[str]]:
        """Names of each file."""
        found: dict[File, list[str]] = {}
        for path, file in self.files.items():
            found.setdefault(file, []).append(path)
        return found

    def must(self) -> set[str]:
        """Names of files that must be locked: all of their names are covered, or the only one."""
        return {
            path
            for file, paths in self.names().items()
            for path in paths
            if file.touched
            and not file.doubtful
            and not (file.linked and self.state_lost)  # some of its names are forgotten
            and all(covered(each) for each in paths)
        }

    def must_not(self) -> set[str]:
        """Names of files that must not be locked: a name is not covered, or nothing happened."""
        return {
            path
            for file, paths in self.names().items()
            for path in paths
            if not all(covered(each) for each in paths) or not (file.touched or file.linked)
        }

    def held_back(self) -> int:
        """How many files wait for an operator: only some of their names are covered."""
        return sum(
            any(covered(path) for path in paths) and not all(covered(path) for path in paths)
            for paths in self.names().values()
        )


def moved(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if path == old or path.startswith(old + "/") else path


def covered(path: str) -> bool:
    return path.startswith("/w/") and not path.endswith(".tmp")


def overdue(spool: SqliteSpool, client: Client) -> bool:
    """Tell whether something waits whose time has come."""
    oldest = spool.counts().oldest
    return oldest is not None and oldest < client.measure_clock().now().timestamp() + 2


class Life:
    """The watcher's life: started, killed, told to read its configuration again."""

    def __init__(self, watched: Watched, model: Model, choose: random.Random) -> None:
        self.watched = watched
        self.model = model
        self.choose = choose
        self.stack = ExitStack()
        self.process: Process | None = None

    def start(self, *, ready: bool) -> Process:
        self.process = self.stack.enter_context(self.watched.running(ready=ready))
        self.model.known |= ready
        if ready and not self.model.forbidden:
            self.model.carried.clear()
        return self.process

    def end(self) -> None:
        self.stack.close()  # which kills it
        self.process = None

    def step(self) -> None:
        """Perhaps something happens to it."""
        chance = self.choose.random()
        if self.process is None:
            if chance < 0.25:
                self.start(ready=self.choose.random() < 0.5)
            elif chance < 0.4:
                self.model.lose_checkpoints()
        elif chance < 0.06:
            self.process.signal(signal.SIGKILL)
            self.end()
        elif chance < 0.1:
            self.process.signal(signal.SIGHUP)
        elif chance < 0.2:
            self.lose_state(self.process)

    def lose_state(self, process: Process) -> None:
        """Delete the spool of the running service, which must end."""
        if not self.watched.settings["snapshots"] or self.model.checkpoints_lost:
            return  # then nothing tells any more what waited
        if not process.status.startswith("following"):
            return
        for path in self.watched.place.glob("spool.db*"):
            path.unlink()
        assert process.wait() == 1, process.output()
        self.end()
        self.model.state_lost, self.model.known = True, False


@pytest.mark.parametrize("use_snapshots", [True, False])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_exactly_what_must_be_is_locked(
    simulator: Simulator, client: Client, tmp_path: Path, seed: int, use_snapshots: bool
) -> None:
    choose = random.Random(seed)
    model = Model(simulator, client, choose)
    rules = [{"path": "/w", "quiet": QUIET}]
    watched = Watched(simulator, client, tmp_path, rules, snapshots=use_snapshots)
    life = Life(watched, model, choose)
    since = simulator.control("state")["requests"]
    try:
        life.start(ready=True)
        for _step in range(STEPS):
            life.step()
            model.step()
        life.end()
        model.permit()
        life.start(ready=True)
        assert watched.records() == []  # nothing has been quiet for long enough
        spool = SqliteSpool(watched.settings["spool"], postpone=True)
        for _hour in range(4):
            if not spool.counts().waiting:
                break
            life.end()
            simulator.control("clock/advance", seconds=QUIET + 60)
            life.start(ready=True)
            wait_for(lambda: not overdue(spool, client))
        counts = spool.counts()
        assert (counts.waiting, counts.oldest) == (0, None)
        forgotten = sum(file.linked for file in model.names()) if model.state_lost else 0
        assert counts.given_up <= model.held_back() + forgotten, watched.command("failed").stdout
        spool.close()
        audit = watched.command("audit", "--json").stdout.splitlines()
    finally:
        life.end()
        simulator.control("clock/skew", seconds=0)
    locked = {path for path in model.files if watched.is_locked(path)}
    assert model.must() - locked == set()
    wrong = model.must_not() & locked
    assert wrong == set()
    assert set(watched.lock_requests(since).values()) <= {1}
    if locked:
        watched.assert_chain()
    missed = {found["path"] for found in map(json.loads, audit) if found.get("why") == "missed"}
    assert missed & set(model.must()) == set()
