# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports over checkpoints, and how far a run is."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    progress,
    summary,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.report import (
    report,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.functional.test_checkpoints import run
from tests.simulator.harness import Simulator

from .module_runs import Module, module

__all__ = ["module"]


def test_a_page_shows_what_changed(simulator: Simulator, client: Client, tmp_path: Path) -> None:
    dest = tmp_path / "page.html"
    params: dict[str, Any] = {
        "checkpoint": "nightly",
        "path": "/p",
        "dest": str(dest),
        "last": 7,
        "workers": 2,
    }
    simulator.control("files/put", path="/p/a/one.MOV", content="1")
    with pytest.raises(errors.InputError, match="at least two"):
        report(client, params, False)
    run(client, tmp_path / "l", auto_commit=True, keep=9)
    for night in range(3):
        simulator.control("files/put", path="/p/a/one.MOV", content="x" * 2000 * (night + 1))
        simulator.control("files/put", path=f"/p/<script>/{night}&.txt", content="y" * 100)
        run(client, tmp_path / "l", auto_commit=True, keep=9)
    client.rest.fs.delete(path="/p/<script>/0&.txt")
    run(client, tmp_path / "l", auto_commit=True, keep=9)
    assert report(client, params, True)["changed"] and not dest.exists()
    done = report(client, params, False)
    assert [(one["created"], one["modified"], one["deleted"]) for one in done["intervals"]] == [
        (2, 1, 0),
        (1, 2, 0),
        (1, 2, 0),
        (0, 1, 1),
    ]
    assert done["intervals"][1]["bytes"] == 4100
    text = dest.read_text()
    assert "&lt;script&gt;" in text and "<script" not in text and ".mov" in text
    assert not re.search(r"""(src|href|url)\s*[=(]|https?:|@import""", text)
    assert text.count("<rect") > 8 and "11.7 KiB" in text
    assert not report(client, params, False)["changed"]
    assert len(report(client, {**params, "last": 2}, False)["intervals"]) == 2


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 1 << 40))), st.integers(2, 9))
def test_a_tally_loses_nothing(counted: list[tuple[str, int]], limit: int) -> None:
    tally = summary.Tally(limit)
    for name, size in counted:
        tally.add(name, size)
    top = tally.top(3)
    assert len(top) <= 4 and len(tally._groups) <= limit + 1
    assert sum(row[1] for row in top) == len(counted)
    assert sum(row[2] for row in top) == sum(size for _name, size in counted)


def test_a_run_says_how_far_it_is(tmp_path: Path) -> None:
    now = [0.0]
    lines: list[str] = []
    status = tmp_path / "status"
    going = progress.Progress("list", str(status), lines.append, clock=lambda: now[0])
    going.begin()

    def read() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(status.read_text())
        return found

    assert read()["state"] == "running"
    now[0] = 1.0
    going.update("writing", 0, 1000)
    assert not lines
    now[0] = 5.0
    going.update("writing", 200, 1000)
    assert lines == ["list: writing, 200 entries, 50/s, 16 s to go"]
    assert read()["remaining_seconds"] == 16.0 and read()["rate"] == 50.0
    going.end("the disk is full")
    assert read()["state"] == "failed" and read()["error"] == "the disk is full"
    assert "failed: the disk is full" in lines[-1]


def test_the_first_list_has_an_estimate(
    simulator: Simulator, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.control("files/bulk", directory="/p/d", count=2500)
    seen: list[tuple[str, int, int | None]] = []

    def update(self: Any, phase: str, done: int, total: int | None = None) -> None:
        seen.append((phase, done, total))

    monkeypatch.setattr(progress.Progress, "update", update)
    run(client, tmp_path / "l")
    assert ("directories", 1000, 2501) in seen and ("written", 2501, 2501) in seen


def test_a_list_reports_its_end(simulator: Simulator, client: Client, tmp_path: Path) -> None:
    simulator.control("files/put", path="/p/a", content="1")
    status = tmp_path / "status"
    run(client, tmp_path / "l", status=str(status))
    found = json.loads(status.read_text())
    assert found["state"] == "done" and found["list"] == "l" and found["entries"] == 1
    with pytest.raises(errors.InputError):
        run(client, tmp_path / "none" / "l", status=str(status))
    assert json.loads(status.read_text())["state"] == "failed"


def test_a_run_that_is_stopped_cleans_up(
    simulator: Simulator, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.control("files/put", path="/p/a", content="1")
    status = tmp_path / "status"

    def stop(self: Any, phase: str, done: int, total: int | None = None) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(progress.Progress, "update", stop)
            with pytest.raises(errors.QumuloError, match="was stopped by SIGTERM; run it again"):
                run(client, tmp_path / "l", status=str(status))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    found = json.loads(status.read_text())
    assert found["state"] == "failed" and "stopped by SIGTERM" in found["error"]
    assert os.listdir(tmp_path) == ["status"]
    assert client.get("/v2/snapshots/")["entries"] == []
    assert run(client, tmp_path / "l", status=str(status))["warnings"] == []


def test_the_next_run_recognizes_one_that_was_killed(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    simulator.control("files/put", path="/p/a", content="1")
    status = tmp_path / "status"
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(60)
    lines = {"dead": process.pid, "alive": os.getpid()}
    for kind, number in lines.items():
        status.write_text(json.dumps({"state": "running", "pid": number}))
        done = run(client, tmp_path / "l", status=str(status), auto_commit=True)
        if kind == "dead":
            (warning,) = done["warnings"]
            assert f"An earlier run, process {number}, was killed" in warning
        else:
            assert done["warnings"] == []
        assert json.loads(status.read_text())["state"] == "done"
    texts = ("", "[]", "{", '{"state": "running"}', '{"state": "running", "pid": -1}')
    others = ('{"state": "running", "pid": "x"}', '{"state": "done", "pid": 99999999}')
    for text in (*texts, *others, '{"state": "running", "pid": 1e400}', '{"a": ' + "9" * 5000):
        status.write_text(text)
        assert progress.killed_before(str(status)) is None
    status.unlink()
    os.mkfifo(status)
    assert progress.killed_before(str(status)) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_module_that_is_ended_leaves_only_its_status(
    simulator: Simulator, module: Module, tmp_path: Path, number: signal.Signals
) -> None:
    simulator.control("files/put", path="/p/a", content="1")
    lists = tmp_path / "lists"
    lists.mkdir()
    status = lists / "status"
    options = {
        "checkpoint": "c",
        "path": "/p",
        "dest": str(lists / "l"),
        "status": str(status),
        "auto_commit": True,
    }
    simulator.control("latency", seconds=2)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(module, "qumulo_changelist", options)
        deadline = time.monotonic() + 300
        while not status.exists():
            assert not running.done() and time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(json.loads(status.read_text())["pid"], number)
        (ended,) = running.result(300)
    simulator.control("latency", seconds=0)
    assert ended["failed"], ended
    found = json.loads(status.read_text())
    assert os.listdir(lists) == ["status"]
    if number == signal.SIGTERM:
        assert f"{lists}/l is not complete: the run was stopped by SIGTERM" in ended["msg"]
        assert found["state"] == "failed"
        (again,) = module("qumulo_changelist", options)
        assert "was killed" not in again["said"]
    else:
        assert found["state"] == "running"
        simulator.control("clock/advance", seconds=400)
        (again,) = module("qumulo_changelist", options)
        assert f"An earlier run, process {found['pid']}, was killed" in again["said"]
    assert not again["failed"] and sorted(os.listdir(lists)) == ["l", "status"], again
