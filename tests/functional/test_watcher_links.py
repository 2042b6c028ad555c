# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock holds for all names of a file: no rule locks what others know by another name."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .watched import Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def link(client: Client, target: str, path: str) -> None:
    directory, _slash, name = path.rpartition("/")
    client.rest.fs.create_link(name=name, target=target, dir_path=directory)


def failed(watcher: Watched, text: str) -> bool:
    return text in watcher.command("failed").stdout


def test_a_file_that_is_linked_from_elsewhere_is_held_back(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    put(simulator, "/private/boss.xlsx")
    watcher = watched(max_attempts=2)
    with watcher.running() as process:
        link(client, "/private/boss.xlsx", "/w/x.pdf")
        wait_for(lambda: failed(watcher, "is the same file as /private/boss.xlsx"))
        assert not watcher.is_locked("/w/x.pdf")
        assert watcher.records() == []
        done = watcher.command("audit")
        assert "failed: /w/x.pdf" in done.stdout
        # Without the other name it is a file like any other.
        client.rest.fs.delete(path="/private/boss.xlsx")
        watcher.command("retry", "--all")
        watcher.wait_recorded("/w/x.pdf")
        watcher.wait_idle(process)
    assert [record["links"] for record in watcher.records()] == [1]


def test_a_file_with_an_excluded_name_is_not_locked_by_another_one(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched(max_attempts=2)
    with watcher.running():
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        put(simulator, "/w/draft.tmp")
        link(client, "/w/draft.tmp", "/w/draft.pdf")
        wait_for(lambda: failed(watcher, "/w/draft.pdf is the same file as /w/draft.tmp"))
    assert not watcher.is_locked("/w/draft.tmp")


@pytest.mark.parametrize("away", ["", "diff", "walk"])
def test_a_file_whose_names_are_all_covered_is_locked_once(
    watched: Make, simulator: Simulator, client: Client, away: str
) -> None:
    watcher = watched(
        {"path": "/w", "quiet": "1s"},
        {"path": "/held", "retention": None, "legal_hold": True},
        snapshots=away != "walk",
    )
    put(simulator, "/held/there")

    def make() -> None:
        put(simulator, "/w/one.pdf")
        for name in ("/w/two.pdf", "/w/deep/three.pdf", "/held/four.pdf"):
            link(client, "/w/one.pdf", name)

    put(simulator, "/w/deep/there")
    with watcher.running() as process:
        if not away:
            make()
            wait_for(lambda: len(watcher.records()) == 1)
            watcher.wait_idle(process)
    if away:
        make()
        with watcher.running() as process:
            wait_for(lambda: any(record["links"] > 1 for record in watcher.records()))
            watcher.wait_idle(process)
    (record,) = [record for record in watcher.records() if record["links"] > 1]
    assert record["links"] == 4
    assert (record["rule"], record["hold_rules"]) == ("rule 1", ["rule 2"])
    assert record["legal_hold"] is True
    assert all(watcher.is_locked(path) for path in ("/w/one.pdf", "/held/four.pdf"))


def test_a_name_that_is_not_known_holds_a_file_back(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    put(simulator, "/w/old.pdf")
    link(client, "/w/old.pdf", "/w/older.pdf")
    watcher = watched(max_attempts=2)
    with watcher.running():
        client.rest.fs.rename(name="new.pdf", source="/w/old.pdf", dir_path="/w")
        wait_for(lambda: failed(watcher, "/w/new.pdf has 2 names (hard links)"))
        assert not watcher.is_locked("/w/new.pdf")
        # Whoever knows all names may say so.
        watcher.settings["rules"][0]["hard_links"] = "lock"
        watcher.write()
    with watcher.running():
        watcher.command("retry", "--all")
        watcher.wait_recorded("/w/new.pdf")
    assert watcher.is_locked("/w/older.pdf")
    assert [record["links"] for record in watcher.records()] == [2]


def test_a_name_for_a_moment_needs_no_operator(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running() as process:
        put(simulator, "/w/upload.tmp")
        link(client, "/w/upload.tmp", "/w/upload.pdf")
        wait_for(lambda: "which no rule locks" in process.output())
        client.rest.fs.delete(path="/w/upload.tmp")
        watcher.wait_recorded("/w/upload.pdf")
        watcher.wait_idle(process)
        assert failed(watcher, "Nothing has failed")
