# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each thread of each service is made to hang; the service says which one, and where."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.diff import (
    changes,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import heartbeats
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.heartbeats import (
    ENDLESS,
    Heartbeats,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.pool import map_unordered
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import configuration
from tests.tools.services import Process, core_environment, free_port, start_service, wait_for
from tests.tools.tree import ROOT
from tests.tools.visitor import Visitor

from .synced import Sender, Synced, csv_line
from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]

ALLOWANCE = 1.0


@contextmanager
def hanging(service: str, function: str, config: Path) -> Iterator[Process]:
    """A service of which one function hangs."""
    paths = f"{ROOT / 'tests' / 'functional' / 'hangs'}:{core_environment()['PYTHONPATH']}"
    environment = {
        "PYTHONPATH": paths,
        "LOCKSTEP_HANG": function,
        "LOCKSTEP_ALLOWANCE": str(ALLOWANCE),
    }
    with start_service(service, "--config", str(config), environment=environment) as process:
        process.wait_ready()
        yield process


def wait_logged(process: Process, thread: str, doing: str) -> None:
    """Wait until the log names the thread, what it does, and the function in which it hangs."""
    line = rf"thread {thread} has made no progress for \d+ s while {doing}.*hang"
    wait_for(lambda: re.search(line, process.output()))


def healthz(port: int) -> tuple[int, str]:
    """Code and text of ``/healthz``."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()


# -- the watcher ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "thread", "doing"),
    [
        ("watcher.app:Watcher._look", "manager", "looking for the watched directories"),
        ("service.sqlite:SqliteSpool.due", "take", "looking for files that are due"),
        ("watcher.workers:handle", r"lock-\d+", r"locking file \d+"),
        ("watcher.evidence:Evidence.append", "write-back", "writing the evidence and the spool"),
        ("watcher.intake:Intake.take", r"follow-\d+", "storing the events of /w"),
        ("watcher.catch_up:CatchUp.run", r"catch-up-\d+", "catching up with /w"),
    ],
)
def test_a_thread_of_the_watcher_that_hangs_is_named(
    watched: Make, simulator: Simulator, function: str, thread: str, doing: str
) -> None:
    port = free_port()
    place = watched({"path": "/w", "quiet": 0}, metrics_port=port, first_start="existing")
    put(simulator, "/w/a")
    numbers = itertools.count()
    with hanging("watcher", function, place.config) as process:

        def logged() -> bool:
            put(simulator, f"/w/{next(numbers)}")  # an event, once the stream is open
            line = rf"thread {thread} has made no progress for \d+ s while {doing}.*hang"
            return re.search(line, process.output()) is not None

        wait_for(logged)
        wait_for(lambda: re.search(f"thread {thread} has made no progress", process.status))
        code, text = healthz(port)
        assert (code, bool(re.search(f"thread {thread} has made", text))) == (503, True)
        shown = place.command("status").stdout
        assert re.search(f"not healthy: thread {thread} has made no progress", shown)
        facts = json.loads(place.command("status", "--json").stdout)
        assert any(re.match(f"thread {thread} ", hang) for hang in facts["hung"])
        assert _hung(port) >= 1


def _hung(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    (found,) = re.findall(r"^lockstep_hung_threads (\S+)$", text, re.MULTILINE)
    return float(found)


def test_a_main_thread_that_hangs_is_named_and_the_watchdog_not_fed(watched: Make) -> None:
    with hanging("watcher", "watcher.app:Watcher.tend", watched().config) as process:
        wait_logged(process, "main", "telling the status")
        assert "The watchdog restarts the service" in process.output()


# -- the syncer -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "thread", "doing"),
    [
        ("atime.receiver:Receiver._has_room", "listen", "waiting for senders"),
        ("atime.app:gather", "relp", "waiting for lines"),
        ("service.sqlite:SqliteSpool.put", "relp", "writing lines to the spool"),
        ("service.sqlite:SqliteSpool.due", "set", "looking for times that are due"),
        ("service.sqlite:SqliteSpool.done", "set", "writing the spool"),
        ("atime.through_api:set_access_time", r"set-\d+", r"setting the access time of file \d+"),
        ("atime.advice:look_at_atime", "advise", "reading the cluster's settings"),
    ],
)
def test_a_thread_of_the_syncer_that_hangs_is_named(
    tmp_path: Path, simulator: Simulator, function: str, thread: str, doing: str
) -> None:
    put(simulator, "/f")
    found = files.get(_client(simulator), by_path("/f"))
    syncer = Synced(tmp_path, simulator=simulator)
    line = csv_line(time.time_ns(), "/f", file_id=found.id)
    with hanging("atime", function, syncer.config) as process, ExitStack() as stack:
        if thread == "listen":  # it lets nobody in
            stack.enter_context(socket.create_connection(("127.0.0.1", syncer.port)))
        else:
            stack.enter_context(Sender(syncer.port)).send([line])
        wait_logged(process, thread, doing)
        wait_for(lambda: re.search(f"thread {thread} has made", process.status))
        code, text = healthz(syncer.settings["metrics_port"])
        assert (code, bool(re.search(f"thread {thread} has made", text))) == (503, True)


def _client(simulator: Simulator) -> Client:
    from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import (
        Settings,
    )

    return Client(
        Settings(
            hosts=tuple(simulator.addresses),
            port=simulator.port,
            username="admin",
            password=simulator.password("admin"),
            ca_path=simulator.ca_file,
        )
    )


# -- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "thread", "doing"),
    [
        ("lock_manager.watch:list_handles", r"watch-\d+", "listing open files"),
        ("lock_manager.pages:render", r"page-\w+", "working"),
        ("lock_manager.sessions:Sessions.find", "http", "serving the page"),
        ("lock_manager.daemon:LockManager.tend", "main", "telling the status"),
    ],
)
def test_a_thread_of_the_page_that_hangs_is_named(
    simulator: Simulator, tmp_path: Path, function: str, thread: str, doing: str
) -> None:
    port = free_port()
    config = tmp_path / "config.yml"
    options = {"lock_file": str(tmp_path / "lock"), "metrics_port": port}
    config.write_text(json.dumps(configuration(simulator, tmp_path, **options)))
    with hanging("lock_manager", function, config) as process:
        wait_for(lambda: process.status)
        visitor = Visitor(process.status.split(",")[0], str(tmp_path / "ca.pem"))
        login = threading.Thread(target=_log_in, args=(visitor, simulator.password()), daemon=True)
        login.start()
        wait_logged(process, thread, doing)
        code, text = healthz(port)
        assert (code, bool(re.search(f"thread {thread} has made", text))) == (503, True)
    login.join(60)


def _log_in(visitor: Visitor, password: str) -> None:
    try:
        visitor.log_in("admin", password)
        visitor.get("/")
    except (OSError, AssertionError):
        pass  # the page hangs, and is killed


# -- what is no hang ------------------------------------------------------------------------------


class _Moves:
    """A heartbeat that has not moved for long, until something makes it move."""

    def __init__(self) -> None:
        beat = heartbeats.current()
        assert beat is not None
        self._beat = beat
        beat.moved_at = float("-inf")

    @property
    def seen(self) -> bool:
        """Whether it has moved."""
        return self._beat.moved_at > float("-inf")


@pytest.fixture
def moves() -> Iterator[Callable[[], _Moves]]:
    """Makes a heartbeat of this thread."""
    with Heartbeats().thread("test"):
        yield _Moves


def test_each_request_is_progress(client: Client, moves: Callable[[], _Moves]) -> None:
    before = moves()
    client.version()
    assert before.seen


def test_each_try_of_a_request_is_progress(
    client: Client, simulator: Simulator, moves: Callable[[], _Moves]
) -> None:
    client.version()
    seen: list[bool] = []

    def sleep(_seconds: float) -> None:
        seen.append(before.seen)
        moves()

    client._connection._sleep = sleep
    simulator.control("faults/add", route="GET /v1/version", kind="503", count=3)
    before = moves()
    try:
        client.version()
    finally:
        simulator.control("faults/clear")
    assert seen == [True, True, True]


def test_helpers_make_progress_for_the_thread_that_waits(
    client: Client, simulator: Simulator, moves: Callable[[], _Moves]
) -> None:
    put(simulator, "/t/a/f")
    older = client.rest.snapshot.create_snapshot(path="/t/", name="older")["id"]
    put(simulator, "/t/b/f")
    newer = client.rest.snapshot.create_snapshot(path="/t/", name="newer")["id"]
    before = moves()
    assert len(list(files.walk(client, [by_path("/t")]))) == 4
    assert before.seen
    before = moves()
    assert list(changes(client, newer, older))
    assert before.seen
    before = moves()
    names = map_unordered(client, lambda own, path: files.get(own, path), [by_path("/t")] * 40)
    assert len(list(names)) == 40
    assert before.seen


def test_each_thread_of_a_service_has_a_heartbeat(
    watched: Make, simulator: Simulator, tmp_path: Path
) -> None:
    from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import (
        app as atime,
    )
    from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import (
        config as atime_config,
    )
    from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import (
        config as page_config,
    )
    from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import (
        daemon,
    )
    from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.config import (  # noqa: E501
        load,
    )
    from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import (
        app,
        config,
    )

    place = watched()
    (tmp_path / "atime").mkdir()
    syncer = Synced(tmp_path / "atime", simulator=simulator)
    page = tmp_path / "page.yml"
    page.write_text(json.dumps(configuration(simulator, tmp_path, metrics_port=0)))
    made: list[Any] = [
        daemon.LockManager(str(page), page_config.parse(load(str(page)))),
        app.Watcher(lambda: config.parse(load(str(place.config)))),
        atime.Syncer(lambda: atime_config.parse(load(str(syncer.config)))),
    ]
    for service in made:
        before = set(threading.enumerate())
        service.start()
        try:
            if isinstance(service, app.Watcher):
                wait_for(lambda service=service: "following 1" in service.status())
            with (
                Sender(syncer.port)
                if isinstance(service, atime.Syncer)
                else Heartbeats().thread("test")
            ):
                names = {thread.name for thread in set(threading.enumerate()) - before}
                # Of connections and their helpers, which are watched by those who wait for them.
                ours = {name for name in names if not name.startswith(("qumulo-", "Thread-"))}
                assert ours and ours <= set(service.heartbeats.names), names
        finally:
            service.stop(time.monotonic() + 60)


def test_a_mount_that_hangs_is_waited_for() -> None:
    beats = Heartbeats(0.0)
    with beats.thread("set"):
        heartbeats.working("setting access times", ENDLESS)
        assert not beats.hung()
        heartbeats.working("writing the spool")
        wait_for(lambda: [hang.name for hang in beats.hung()] == ["set"])
