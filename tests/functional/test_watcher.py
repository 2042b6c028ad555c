# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher against a simulated cluster: what it locks, and what it rightly does not."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .watched import Make, Watched


@pytest.fixture
def watched(simulator: Simulator, client: Client, tmp_path: Path) -> Make:
    """Makes a watcher of /w."""
    client.rest.fs.create_directory(name="w", dir_path="/")
    simulator.control("streams", keepalive=1.0)

    def make(*rules: dict[str, Any], **options: Any) -> Watched:
        return Watched(simulator, client, tmp_path, rules or [{"path": "/w"}], **options)

    return make


#: Files of a burst, cuts of the stream, and kills; with LOCKSTEP_FULL_SIZE=1 as many as promised.
BURST, DROPS, KILLS = (10_000, 100, 50) if os.environ.get("LOCKSTEP_FULL_SIZE") else (2000, 40, 8)


def put(simulator: Simulator, path: str, content: str = "x") -> None:
    """Write a file as another client."""
    simulator.control("files/put", path=path, content=content)


# -- events -------------------------------------------------------------------------------------


def test_what_is_written_is_locked_and_what_is_not_finished_is_not(
    watched: Make, simulator: Simulator
) -> None:
    watcher = watched()
    names = ["a.pdf", "deep/er/b.pdf", "odd\n'\"name,.pdf", "\u00e4\U0001f512.pdf"]
    with watcher.running() as process:
        for name in [*names, "c.tmp", "~$d.docx", ".DS_Store", "e.pdf.part"]:
            put(simulator, f"/w/{name}")
        put(simulator, "/elsewhere/f.pdf")
        watcher.wait_recorded(*(f"/w/{name}" for name in names))
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == {"/w/c.tmp", "/w/~$d.docx", "/w/.DS_Store", "/w/e.pdf.part"}
    assert not watcher.is_locked("/elsewhere/f.pdf")
    watcher.assert_chain()
    assert {record["rule"] for record in watcher.records()} == {"rule 1"}


def test_renames_moves_links_and_deletions(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    fs = client.rest.fs
    watcher = watched({"path": "/w", "quiet": "2s"})
    put(simulator, "/outside/tree/deep/in.pdf")
    put(simulator, "/outside/alone.pdf")
    with watcher.running() as process:
        put(simulator, "/w/old.pdf")
        fs.rename(name="new.pdf", source="/w/old.pdf", dir_path="/w")
        put(simulator, "/w/upload.part")
        fs.rename(name="upload.pdf", source="/w/upload.part", dir_path="/w")
        put(simulator, "/w/away.pdf")
        fs.rename(name="away.pdf", source="/w/away.pdf", dir_path="/")
        put(simulator, "/w/not-now.pdf")
        fs.rename(name="not-now.tmp", source="/w/not-now.pdf", dir_path="/w")
        put(simulator, "/w/gone.pdf")
        fs.delete(path="/w/gone.pdf")
        fs.rename(name="tree", source="/outside/tree", dir_path="/w")
        fs.rename(name="alone.pdf", source="/outside/alone.pdf", dir_path="/w")
        put(simulator, "/w/two.pdf")
        fs.create_link(name="links.pdf", target="/w/two.pdf", dir_path="/w")
        put(simulator, "/w/d/in.pdf")
        fs.rename(name="moved", source="/w/d", dir_path="/w")
        expected = ["new", "upload", "tree/deep/in", "alone", "moved/in"]
        watcher.wait_recorded(*(f"/w/{name}.pdf" for name in expected))
        watcher.wait_idle(process)
        failed = watcher.command("failed").stdout
    assert watcher.unlocked("/w") == {"/w/not-now.tmp"}
    assert not watcher.is_locked("/away.pdf")
    assert len([r for r in watcher.records() if r["path"] in ("/w/two.pdf", "/w/links.pdf")]) == 1
    assert "Nothing has failed" in failed
    watcher.assert_quiet(2)


def test_each_write_restarts_the_quiet_period(watched: Make, simulator: Simulator) -> None:
    watcher = watched({"path": "/w", "quiet": "3s"})
    with watcher.running():
        put(simulator, "/w/other.txt")

        def written_all_the_while() -> bool:
            put(simulator, "/w/log.txt", "another line")
            recorded = watcher.recorded()
            assert "/w/log.txt" not in recorded
            return "/w/other.txt" in recorded

        wait_for(written_all_the_while)
        watcher.wait_recorded("/w/log.txt", "/w/other.txt")
    watcher.assert_quiet(3)


def test_the_first_rule_that_matches_wins(watched: Make, simulator: Simulator) -> None:
    watcher = watched(
        {"name": "hold", "path": "/w/legal", "retention": None, "legal_hold": True},
        {"name": "big", "path": "/w", "include": ["*.iso"], "min_size": 10},
        {"name": "top", "path": "/w", "recursive": False, "include": ["*.txt"], "retention": "7d"},
    )
    with watcher.running() as process:
        put(simulator, "/w/legal/a.txt")
        put(simulator, "/w/small.iso", "x")
        put(simulator, "/w/big.iso", "x" * 20)
        put(simulator, "/w/top.txt")
        put(simulator, "/w/deep/not-top.txt")
        watcher.wait_recorded("/w/legal/a.txt", "/w/big.iso", "/w/top.txt")
        watcher.wait_idle(process)
        put(simulator, "/w/small.iso", "x" * 30)  # it has grown
        watcher.wait_recorded("/w/small.iso")
    rules = {record["path"]: record for record in watcher.records()}
    assert rules["/w/legal/a.txt"]["legal_hold"] is True
    assert rules["/w/legal/a.txt"]["retention_until"] is None
    assert rules["/w/top.txt"]["rule"] == "top"
    assert watcher.unlocked("/w") == {"/w/deep/not-top.txt"}


def test_what_is_no_file_goes_to_the_list_of_failures(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running():
        client.rest.fs.create_symlink(name="link.pdf", target="x", dir_path="/w")
        wait_for(lambda: "symlink" in watcher.command("failed").stdout)
        assert watcher.command("retry", "--all").stdout == "1 will be tried again.\n"
        wait_for(lambda: "symlink" in watcher.command("failed", "--json").stdout)


def test_a_file_that_somebody_has_open_waits(watched: Make, simulator: Simulator) -> None:
    watcher = watched({"path": "/w", "wait_for_handles": True})
    put(simulator, "/w/open.xlsx")
    simulator.control("smb/open", user="CORP\\jane", path="/w/open.xlsx")
    watcher.settings["first_start"] = "existing"
    watcher.write()
    with watcher.running():
        put(simulator, "/w/free.xlsx")
        watcher.wait_recorded("/w/free.xlsx")
        assert not watcher.is_locked("/w/open.xlsx")
        simulator.control("smb/clear")
        watcher.wait_recorded("/w/open.xlsx")


def test_a_burst_is_locked_each_file_once(watched: Make, simulator: Simulator) -> None:
    watcher = watched(workers=32)
    since = simulator.control("state")["requests"]
    with watcher.running() as process:
        simulator.control("files/bulk", directory="/w/burst", count=BURST, size=10)
        wait_for(lambda: len(watcher.records()) >= BURST, 240)
        watcher.wait_idle(process)
    counts = watcher.lock_requests(since)
    assert len(counts) == BURST
    assert set(counts.values()) == {1}


# -- starts and catching up ---------------------------------------------------------------------


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
    watcher = watched()
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
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
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
            wait_for(lambda: "make room" in process.output())
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


# -- operation ----------------------------------------------------------------------------------


def test_reload_keeps_the_stream(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running() as process:
        before = simulator.control("state")["streams"]
        since = simulator.control("state")["requests"]
        watcher.settings["rules"][0]["exclude"] = ["*.bak"]
        watcher.write()
        process.signal(signal.SIGHUP)
        wait_for(lambda: "configuration read again" in process.output())
        put(simulator, "/w/a.bak")
        put(simulator, "/w/b.pdf")
        watcher.wait_recorded("/w/b.pdf")
        watcher.wait_idle(process)
        asked = simulator.control("requests", since=since)["requests"]
        assert not [request for request in asked if "/notify?" in request["uri"]]
        assert simulator.control("state")["streams"] == before
        assert watcher.unlocked("/w") == {"/w/a.bak"}
        watcher.config.write_text("rules: 7\n")
        process.signal(signal.SIGHUP)
        wait_for(lambda: "left as it was" in process.output())
        put(simulator, "/w/c.pdf")
        watcher.wait_recorded("/w/c.pdf")


def test_it_stops_soon_and_a_second_one_is_refused(watched: Make) -> None:
    watcher = watched()
    with watcher.running() as process:
        second = watcher.command()
        assert second.returncode == 3
        assert f"process {process.pid} since" in second.stderr
        process.signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_people_can_ask(watched: Make, simulator: Simulator) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    watcher = watched({"path": "/w"}, {"path": "/slow", "quiet": "1h"}, metrics_port=port)
    put(simulator, "/slow/left-alone.tmp")
    assert watcher.command("status").returncode == 1
    with watcher.running():
        put(simulator, "/w/a.pdf")
        put(simulator, "/slow/b.pdf")
        watcher.wait_recorded("/w/a.pdf")
        wait_for(lambda: "/slow/b.pdf" in watcher.command("pending").stdout)
        status = json.loads(watcher.command("status", "--json").stdout)
        assert status["running"] is True
        assert status["pending"] == 1
        assert status["directories"]["/w"]["state"] == "following"
        assert "longest unlocked" in watcher.command("status").stdout
        put(simulator, "/w/hidden.tmp")
        report = watcher.command("audit", "--excluded")
    assert report.returncode == 0
    assert "pending: /slow/b.pdf" in report.stdout
    assert "excluded: /w/hidden.tmp" in report.stdout
    assert "1 locked, 1 pending, 0 failed" in report.stdout


def test_an_audit_finds_what_was_missed(watched: Make, simulator: Simulator) -> None:
    put(simulator, "/w/before.pdf")
    watcher = watched()
    done = watcher.command("audit")
    assert done.returncode == 1
    assert "missed: /w/before.pdf" in done.stdout


def test_evidence_is_checked_against_the_cluster(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running():
        put(simulator, "/w/a.pdf")
        put(simulator, "/w/b.pdf")
        watcher.wait_recorded("/w/a.pdf", "/w/b.pdf")
    evidence = str(watcher.evidence)
    assert watcher.command("verify", evidence, "--cluster").returncode == 0
    lines = watcher.evidence.read_text().splitlines(keepends=True)
    watcher.evidence.write_text(lines[0].replace("/w/", "/x/") + lines[1])
    done = watcher.command("verify", evidence)
    assert done.returncode == 1
    assert "line 2: the chain is broken" in done.stderr


def test_a_dry_run_changes_nothing(watched: Make, simulator: Simulator) -> None:
    watcher = watched(first_start="existing")
    put(simulator, "/w/a.pdf")
    with simulator.recorded() as changes, watcher.running("--dry-run") as process:
        put(simulator, "/w/b.pdf")
        wait_for(lambda: process.output().count("would lock") == 2)
    asked = {(c["method"], c["uri"].split("?")[0]) for c in changes if "login" not in c["uri"]}
    assert asked == set()
    assert not watcher.evidence.exists()
    assert not (watcher.place / "spool.db").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rules": [{"path": "/w"}]}, "locks nothing"),
        ({"rules": [{"path": "/w", "retention": "20y"}]}, "beyond max_retention"),
        ({"rules": [{"path": "w", "retention": "1d"}]}, "must begin with a slash"),
        ({"rules": [{"path": "/w", "file_id": "3", "retention": "1d"}]}, "by one of them"),
        ({"rules": []}, "at least one entry"),
        ({"rules": [{"path": "/w", "retention": "1d", "quit": 5}]}, "did you mean 'quiet'"),
    ],
)
def test_a_configuration_that_makes_no_sense(
    watched: Make, change: dict[str, Any], told: str
) -> None:
    watcher = watched()
    watcher.settings.update(change)
    watcher.write()
    for arguments in (["--check"], []):
        done = watcher.command(*arguments)
        assert done.returncode == 2
        assert told in done.stderr


def test_a_check_says_what_rules_mean(watched: Make) -> None:
    done = watched({"path": "/w", "include": ["*.pdf"], "quiet": 0}).command("--check")
    assert done.returncode == 0
    assert "files in and below /w that match *.pdf are retained for 30d" in done.stdout


@pytest.fixture(autouse=True)
def no_leftovers(simulator: Simulator) -> Iterator[None]:
    """A test that fails must not leave faults to the next one."""
    yield
    simulator.control("faults/clear")
    simulator.control("streams", silent=False, queue_bound=100_000, keepalive=10.0)
