# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever breaks in between, the watcher catches up on it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .watched import DROPS, KILLS, Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


@pytest.mark.parametrize("first", ["new", "existing"])
def test_the_first_start(watched: Make, simulator: Simulator, first: str) -> None:
    put(simulator, "/w/there/before.pdf")
    watcher = watched(first_start=first)
    with watcher.running() as process:
        put(simulator, "/w/after.pdf")
        watcher.wait_recorded("/w/after.pdf")
        watcher.wait_idle(process)
    expected = set() if first == "existing" else {"/w/there/before.pdf"}
    assert watcher.unlocked("/w") == expected


def test_a_first_run_that_was_cut_short_begins_again(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    put(simulator, "/w/before.pdf")
    watcher = watched(first_start="existing")
    # All that a run leaves that is killed before it has looked at everything.
    taken = client.rest.fs.get_file_attr(path="/w")["id"]
    client.rest.snapshot.create_snapshot(name="lockstep-watcher-test", source_file_id=taken)
    with watcher.running():
        watcher.wait_recorded("/w/before.pdf")


def test_another_directory_in_the_place_of_the_watched_one_is_all_new(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running():
        pass
    client.rest.fs.rename(name="old", source="/w", dir_path="/")
    put(simulator, "/w/in.pdf")
    with watcher.running():
        watcher.wait_recorded("/w/in.pdf")


@pytest.mark.parametrize("away", [False, True])
def test_a_file_counts_by_any_of_its_names(
    watched: Make, simulator: Simulator, client: Client, away: bool
) -> None:
    put(simulator, "/outside/first.pdf")
    watcher = watched({"path": "/w", "hard_links": "lock"})
    with watcher.running() as process:
        if away:
            process.signal(signal.SIGKILL)
            process.wait()
        client.rest.fs.create_link(name="link.pdf", target="/outside/first.pdf", dir_path="/w")
        if not away:
            watcher.wait_recorded("/w/link.pdf")
    if away:
        with watcher.running():
            watcher.wait_recorded("/w/link.pdf")
    assert watcher.is_locked("/outside/first.pdf")


def test_only_the_events_that_a_rule_names_count(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    put(simulator, "/outside/tree/in.pdf")
    put(simulator, "/outside/alone.pdf")
    watcher = watched({"path": "/w", "events": ["added"]})
    with watcher.running() as process:
        client.rest.fs.rename(name="tree", source="/outside/tree", dir_path="/w")
        client.rest.fs.rename(name="alone.pdf", source="/outside/alone.pdf", dir_path="/w")
        put(simulator, "/w/new.pdf")
        watcher.wait_recorded("/w/new.pdf")
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == {"/w/tree/in.pdf", "/w/alone.pdf"}


@pytest.mark.parametrize("use_snapshots", [True, False])
def test_what_happens_while_it_is_away_is_caught_up(
    watched: Make, simulator: Simulator, client: Client, use_snapshots: bool
) -> None:
    put(simulator, "/outside/tree/in.pdf")
    put(simulator, "/w/untouched.pdf")
    watcher = watched(snapshots=use_snapshots)
    with watcher.running():
        pass
    put(simulator, "/w/meanwhile.pdf")
    put(simulator, "/w/made/deep/too.pdf")
    put(simulator, "/w/x.tmp")
    client.rest.fs.rename(name="tree", source="/outside/tree", dir_path="/w")
    with watcher.running() as process:
        names = ("meanwhile.pdf", "made/deep/too.pdf", "tree/in.pdf")
        watcher.wait_recorded(*(f"/w/{name}" for name in names))
        watcher.wait_idle(process)
    # Walking compares times, and looks at all of a directory that has changed itself.
    spared = {"/w/x.tmp", "/w/untouched.pdf"} if use_snapshots else {"/w/x.tmp"}
    assert watcher.unlocked("/w") - {"/w/untouched.pdf"} == spared - {"/w/untouched.pdf"}


def test_checkpoints_are_its_own_and_few(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    take = client.rest.snapshot.create_snapshot
    foreign = {
        take(name=name, source_file_id=source)["id"]
        for name, source in (
            ("lockstep-watcher-other", "2"),
            ("lockstep-watcher-test", "2"),
            ("daily", "2"),
        )
    }
    watcher = watched()
    for number in range(4):
        with watcher.running() as process:
            put(simulator, f"/w/{number}.pdf")
            watcher.wait_recorded(f"/w/{number}.pdf")
            watcher.wait_idle(process)
    left = client.get("/v2/snapshots/")["entries"]
    ours = [s for s in left if s["id"] not in foreign]
    assert foreign <= {s["id"] for s in left}
    assert 1 <= len(ours) <= 2
    assert all(s["name"].endswith("lockstep-watcher-test") for s in ours)


def test_another_host_goes_on_where_a_dead_one_ended(
    watched: Make, simulator: Simulator, tmp_path: Path
) -> None:
    watcher = watched({"path": "/w", "quiet": "1h"})
    with watcher.running() as process:
        put(simulator, "/w/pending.pdf")
        wait_for(lambda: " 1 pending" in process.status)
    os.unlink(tmp_path / "spool.db")  # host and disk are lost
    for name in ("spool.db-wal", "spool.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    put(simulator, "/w/meanwhile.pdf")
    watcher.settings["rules"][0]["quiet"] = 0
    watcher.write()
    with watcher.running():
        watcher.wait_recorded("/w/pending.pdf", "/w/meanwhile.pdf")


@pytest.mark.randomized
def test_a_stream_that_drops_again_and_again_loses_nothing(
    watched: Make, simulator: Simulator
) -> None:
    watcher = watched()
    with watcher.running() as process:
        for number in range(DROPS):
            put(simulator, f"/w/{number % 7}/{number}.pdf")
            simulator.control("streams/drop")
            put(simulator, f"/w/{number % 7}/{number}-after.pdf")
        wait_for(lambda: len(watcher.recorded()) == 2 * DROPS, 240)
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == set()
    watcher.assert_chain()


@pytest.mark.randomized
def test_killed_again_and_again_it_loses_nothing(watched: Make, simulator: Simulator) -> None:
    watcher = watched({"path": "/w", "quiet": "1s"})
    with watcher.running():
        pass
    number = 0
    choose = random.Random(7)
    for round_ in range(KILLS):
        with watcher.running(ready=round_ % 3 == 0) as process:
            for _ in range(choose.randrange(40)):
                put(simulator, f"/w/{number % 5}/{number}.pdf")
                number += 1
            process.signal(signal.SIGKILL)
            process.wait()
            put(simulator, f"/w/{number % 5}/{number}.pdf")
            number += 1
    with watcher.running() as process:
        wait_for(lambda: len(watcher.recorded()) == number, 240)
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == set()
    watcher.assert_chain()
    watcher.assert_quiet(1)
    assert watcher.command("audit").returncode == 0


@pytest.mark.parametrize(
    "kind", ["429", "503", "500", "401", "reset_before", "reset_after", "cut_body"]
)
def test_with_faults_on_every_route_all_is_locked(
    watched: Make, simulator: Simulator, kind: str
) -> None:
    watcher = watched()
    simulator.control("faults/add", route=".", kind=kind, probability=0.2, seed=7)
    with watcher.running(ready=False):
        # New files until it has begun to follow: what was before its first start is not its own.
        number = 0

        def one_more() -> bool:
            nonlocal number
            number += 1
            put(simulator, f"/w/b/{number}.pdf")
            return bool(watcher.recorded())

        wait_for(one_more, 240)
        put(simulator, "/w/last.pdf")
        wait_for(lambda: "/w/last.pdf" in watcher.recorded(), 240)
        simulator.control("faults/clear")
    watcher.assert_chain()


def test_a_token_that_expires_is_renewed(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running():
        simulator.control("tokens/expire")
        simulator.control("streams/drop")
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")


def test_what_is_recorded_is_not_recorded_again_when_it_is_caught_up(
    watched: Make, simulator: Simulator
) -> None:
    watcher = watched()
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        before = process.output().count("caught up")
        simulator.control("streams/drop")
        wait_for(lambda: process.output().count("caught up: 1 files") > 0)
        assert process.output().count("caught up") > before
        put(simulator, "/w/b.pdf")
        watcher.wait_recorded("/w/b.pdf")
        watcher.wait_idle(process)
    assert [record["path"] for record in watcher.records()] == ["/w/a.pdf", "/w/b.pdf"]


def test_an_overflow_is_caught_up(watched: Make, simulator: Simulator) -> None:
    watcher = watched(workers=32)
    with watcher.running() as process:
        simulator.control("streams", queue_bound=100)
        process.signal(signal.SIGSTOP)
        simulator.control("files/bulk", directory="/w/many", count=1000)
        wait_for(lambda: simulator.control("state")["overflows"] > 0)
        process.signal(signal.SIGCONT)
        simulator.control("streams", queue_bound=100_000)
        wait_for(lambda: len(watcher.recorded()) == 1000, 240)
    assert watcher.unlocked("/w") == set()


def test_a_stream_that_goes_silent_is_given_up(watched: Make, simulator: Simulator) -> None:
    watcher = watched(silence=2)
    with watcher.running() as process:
        simulator.control("streams", silent=True)
        wait_for(lambda: "silent" in process.output())
        simulator.control("streams", silent=False)
        watcher.wait_following(process)
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")


def test_a_directory_that_goes_and_comes_back(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running() as process:
        client.rest.fs.delete(path="/w")
        wait_for(lambda: "is gone" in process.output())
        put(simulator, "/w/back.pdf")
        watcher.wait_following(process)
        put(simulator, "/w/new.pdf")
        watcher.wait_recorded("/w/new.pdf")


def test_a_node_that_fails(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running() as process:
        for address in simulator.addresses[:2]:
            simulator.control("nodes/stop", address=address)
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_following(process)


def test_where_nothing_is_told_of_subdirectories_it_looks_itself(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    client.rest.request(
        "PUT", "/v1/file-system/settings/notify", body={"recursive_mode": "DISABLED_IGNORE"}
    )
    watcher = watched(poll_interval=1)
    with watcher.running(ready=False) as process:
        wait_for(lambda: process.status.startswith("polling"))
        put(simulator, "/w/deep/a.pdf")
        watcher.wait_recorded("/w/deep/a.pdf")
        assert "DISABLED_IGNORE" in process.output()


def test_a_full_disk_holds_the_work_up_and_nothing_is_lost(
    watched: Make, simulator: Simulator, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root")
    small = tmp_path / "small"
    small.mkdir()
    # Once there is room, it is enough for the write-ahead log, which grows to 16 MiB.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(small)], check=True)
    try:
        watcher = watched(spool=str(small / "spool.db"))
        with watcher.running() as process:
            (small / "filler").write_bytes(b"")
            with open(small / "filler", "wb", buffering=0) as filler:
                try:
                    while filler.write(b"x" * 4096):
                        pass
                except OSError:
                    pass  # full
            simulator.control("files/bulk", directory="/w/many", count=500)
            wait_for(lambda: "the disk is full. Free some space" in process.output())
            (small / "filler").unlink()
            wait_for(lambda: len(watcher.recorded()) == 500, 240)
            watcher.wait_idle(process)
        assert watcher.unlocked("/w") == set()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_two_watchers_do_no_harm_to_each_other(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    client.rest.fs.create_directory(name="w", dir_path="/")
    pair = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pair.append(Watched(simulator, client, tmp_path / name, [{"path": "/w"}]))
        pair[-1].settings["name"] = name
        pair[-1].write()
    since = simulator.control("state")["requests"]
    with pair[0].running() as first, pair[1].running() as second:
        for number in range(100):
            put(simulator, f"/w/{number}.pdf")
        for watcher, process in zip(pair, (first, second)):
            wait_for(lambda watcher=watcher: len(watcher.recorded()) == 100)
            watcher.wait_idle(process)
    assert pair[0].unlocked("/w") == set()
    until = {r["path"]: r["retention_until"] for r in pair[0].records()}
    for record in pair[1].records():
        assert abs(len(record["retention_until"]) - len(until[record["path"]])) == 0
    # Both may have asked at the same moment; never more than that.
    assert max(pair[0].lock_requests(since).values()) <= 2


def test_a_missing_privilege_is_told_and_the_rest_goes_on(
    watched: Make, simulator: Simulator
) -> None:
    simulator.control(
        "users/add",
        name="limited",
        password="Limited123!",
        privileges=["PRIVILEGE_FILE_READ_ACCESS", "PRIVILEGE_FILE_FULL_ACCESS"],
    )
    simulator.users["limited"] = {"password": "Limited123!"}
    try:
        watcher = watched(user="limited", max_attempts=2)
    finally:
        del simulator.users["limited"]
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        wait_for(lambda: "PRIVILEGE_FS_FILE_LOCK_WRITE" in watcher.command("failed").stdout)
        assert "catching up by walking" in process.output()
        assert not watcher.is_locked("/w/a.pdf")


def test_an_account_that_may_not_watch_looks_itself(watched: Make, simulator: Simulator) -> None:
    simulator.control(
        "users/add",
        name="limited",
        password="Limited123!",
        privileges=["PRIVILEGE_FILE_READ_ACCESS", "PRIVILEGE_FS_FILE_LOCK_WRITE"],
    )
    simulator.users["limited"] = {"password": "Limited123!"}
    try:
        watcher = watched(user="limited", poll_interval=1)
    finally:
        del simulator.users["limited"]
    with watcher.running(ready=False) as process:
        wait_for(lambda: "rights of a data administrator" in process.output())
        wait_for(lambda: process.status.startswith("polling"))
        put(simulator, "/w/deep/a.pdf")
        watcher.wait_recorded("/w/deep/a.pdf")
