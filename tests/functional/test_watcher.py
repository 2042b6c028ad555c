# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher against a simulated cluster: what it locks, and what it rightly does not."""

from __future__ import annotations

import json
import urllib.request

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import free_port, wait_for

from .watched import BURST, Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


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
    watcher = watched({"path": "/w", "quiet": "2s"})
    with watcher.running():
        put(simulator, "/w/other.txt")

        def written_all_the_while() -> bool:
            put(simulator, "/w/log.txt", "another line")
            recorded = watcher.recorded()
            assert "/w/log.txt" not in recorded
            return "/w/other.txt" in recorded

        wait_for(written_all_the_while)
        watcher.wait_recorded("/w/log.txt", "/w/other.txt")
    watcher.assert_quiet(2)


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


def test_what_is_no_file_is_skipped_and_counted(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    port = free_port()
    watcher = watched(metrics_port=port)
    fs = client.rest.fs
    with watcher.running() as process:
        fs.create_symlink(name="link.pdf", target="x", dir_path="/w")
        for kind in ("PIPE", "SOCKET", "BLOCK_DEVICE"):
            fs.create_unix_file(
                name=f"{kind}.pdf",
                dir_path="/w",
                file_type=f"FS_FILE_TYPE_UNIX_{kind}",
                major_minor_numbers={"major": 7, "minor": 1} if kind == "BLOCK_DEVICE" else None,
            )
        wait_for(lambda: json.loads(watcher.command("status", "--json").stdout)["skipped"] == 4)
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            metrics = answer.read().decode()
        assert "Nothing has failed" in watcher.command("failed").stdout
    for kind in ("symlink", "pipe", "socket", "device"):
        assert f'lockstep_watcher_skipped_total{{type="{kind}"}} 1.0' in metrics
    assert "lockstep_watcher_given_up 0.0" in metrics
    assert watcher.recorded() == {"/w/a.pdf"}


def test_holds_of_all_rules_count_and_the_first_retention(
    watched: Make, simulator: Simulator
) -> None:
    watcher = watched(
        {"name": "case", "path": "/w/case", "retention": None, "legal_hold": True},
        {"name": "week", "path": "/w", "include": ["*.pdf"], "retention": "7d"},
        {"name": "rest", "path": "/w"},
        {"name": "mail", "path": "/w", "include": ["*.eml"], "legal_hold": True},
    )
    with watcher.running() as process:
        for name in ("case/a.pdf", "case/b.txt", "c.pdf", "d.eml"):
            put(simulator, f"/w/{name}")
        watcher.wait_recorded("/w/case/a.pdf", "/w/case/b.txt", "/w/c.pdf", "/w/d.eml")
        watcher.wait_idle(process)
    found = {
        record["path"]: (record["rule"], record["legal_hold"], record.get("hold_rules"))
        for record in watcher.records()
    }
    assert found == {
        "/w/case/a.pdf": ("week", True, ["case"]),
        "/w/case/b.txt": ("rest", True, ["case"]),
        "/w/c.pdf": ("week", False, None),
        "/w/d.eml": ("rest", True, ["mail"]),
    }
    assert watcher.command("audit").returncode == 0


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


@pytest.mark.randomized
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
