# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher as those see it who run it."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import file_locks
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator
from tests.tools.services import free_port, wait_for

from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def test_reload_keeps_the_stream(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running() as process:
        before = simulator.control("state")["streams"]
        since = simulator.control("state")["requests"]
        watcher.settings["rules"][0]["exclude"] = ["*.bak"]
        watcher.settings["checkpoint_interval"] = "2h"
        watcher.write()
        process.signal(signal.SIGHUP)
        wait_for(lambda: "configuration read again" in process.output())
        assert "'checkpoint_interval' has changed, and counts after a restart" in process.output()
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


def test_it_stops_and_a_second_one_is_refused(watched: Make) -> None:
    watcher = watched()
    with watcher.running() as process:
        second = watcher.command()
        assert second.returncode == 3
        assert f"process {process.pid} since" in second.stderr
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


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


def test_a_file_that_can_not_be_locked_for_now_gets_later_and_later(
    watched: Make, simulator: Simulator
) -> None:
    port = free_port()
    watcher = watched(metrics_port=port)
    with watcher.running():
        simulator.control("faults/add", route="file-lock", kind="401")
        put(simulator, "/w/a.pdf")

        def late() -> bool:
            facts = json.loads(watcher.command("status", "--json").stdout)
            return bool(facts["failures"] >= 2 and facts["oldest_pending_seconds"] > 5)

        wait_for(late, 60)


def metric(port: int, name: str) -> float:
    """Return the value of a metric without labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    (value,) = [line.split()[1] for line in lines if line.split()[0] == name]
    return float(value)


def test_what_is_tried_again_has_been_late_since_it_was_finished(
    watched: Make, simulator: Simulator
) -> None:
    port = free_port()
    watcher = watched(metrics_port=port, max_attempts=1)
    with watcher.running() as process:
        simulator.control("faults/add", route="file-lock", kind="500")
        put(simulator, "/w/a.pdf")
        wait_for(lambda: "1 given up" in process.status)
        simulator.control("faults/clear")
        watcher.command("retry", "--all")
        watcher.wait_recorded("/w/a.pdf")
        # It is recorded first, and then counted.
        wait_for(lambda: metric(port, "lockstep_watcher_lock_delay_seconds_count") == 1)
        assert 0 < metric(port, "lockstep_watcher_lock_delay_seconds_sum") < 600


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


def test_a_hold_that_was_released_is_told_when_the_evidence_is_checked(
    watched: Make, client: Client, simulator: Simulator
) -> None:
    watcher = watched({"path": "/w", "legal_hold": True})
    with watcher.running():
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
    evidence = str(watcher.evidence)
    assert watcher.command("verify", evidence, "--cluster").returncode == 0
    file = file_locks.read_target(client, by_path("/w/a.pdf"))
    request = file_locks.LockRequest(None, hold=False)
    assert file_locks.ensure(client, file, request, check_mode=False).changed
    done = watcher.command("verify", evidence, "--cluster")
    assert done.returncode == 0  # somebody who may do so has released it
    assert "released: /w/a.pdf: retained until" in done.stdout
    assert "All as recorded" not in done.stdout
    assert "its legal hold was released" in done.stdout


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
        ({"rules": [{"path": "w", "retention": "1d"}]}, "is not an absolute path"),
        ({"rules": [{"path": "/w", "file_id": "3", "retention": "1d"}]}, "either"),
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


def test_a_hidden_rule_fails_the_check_and_does_not_stop_the_service(
    watched: Make, simulator: Simulator
) -> None:
    watcher = watched({"name": "all", "path": "/w"}, {"name": "never", "path": "/w/deep"})
    done = watcher.command("--check")
    assert done.returncode == 2
    assert "Rule 'never' is hidden by rule 'all'" in done.stderr
    with watcher.running():
        put(simulator, "/w/deep/a.pdf")
        watcher.wait_recorded("/w/deep/a.pdf")


@pytest.mark.parametrize("quoted", [True, False])
def test_a_rule_with_a_date_locks_until_that_day(
    watched: Make, simulator: Simulator, quoted: bool
) -> None:
    watcher = watched(max_retention="500y")
    text = watcher.config.read_text().replace("retention: 30d", f"retention: {'2099-12-31'!r}")
    watcher.config.write_text(text if quoted else text.replace("'2099-12-31'", "2099-12-31"))
    done = watcher.command("--check")
    assert done.returncode == 0, done.stderr
    assert "retained until 2099-12-31T23:59:59Z" in done.stdout
    with watcher.running():
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
    assert watcher.records()[0]["retention_until"] == "2099-12-31T23:59:59Z"


def test_a_date_that_is_over_fails_the_check_and_is_reported_for_each_file(
    watched: Make, simulator: Simulator
) -> None:
    watcher = watched({"path": "/w", "retention": "2020-12-31"}, max_attempts=1)
    done = watcher.command("--check")
    assert done.returncode == 2
    assert "Rule 'rule 1' retains files until 2020-12-31, which is in the past" in done.stderr
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        wait_for(lambda: "1 given up" in process.status)
        assert "set a later date" in watcher.command("failed").stdout
    assert watcher.command("audit").returncode == 1
