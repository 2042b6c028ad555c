# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule that is removed leaves no checkpoint behind, and starts over if it comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import core_environment, free_port, wait_for
from tests.tools.tree import linked_tree

from .watched import Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]

W, OTHER = {"path": "/w"}, {"path": "/other"}


def checkpoints(client: Client) -> set[str]:
    """Directories of which there are checkpoints."""
    return {
        snapshot.source_path.rstrip("/")
        for snapshot in snapshots.list_all(client)
        if snapshot.suffix == "lockstep-watcher-test"
    }


def use(watcher: Watched, *rules: dict[str, str]) -> None:
    """Write a configuration with other rules."""
    watcher.settings["rules"] = [{"retention": "30d", "quiet": 0, **rule} for rule in rules]
    watcher.write()


def starts_over(watcher: Watched, simulator: Simulator) -> None:
    """Bring the rule of /other back: only what comes from then on is locked."""
    put(simulator, "/other/meanwhile.pdf")
    use(watcher, W, OTHER)
    with watcher.running() as process:
        put(simulator, "/other/new.pdf")
        watcher.wait_recorded("/other/new.pdf")
        watcher.wait_idle(process)
    assert watcher.unlocked("/other") == {"/other/old.pdf", "/other/meanwhile.pdf"}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_removed_rule_takes_its_checkpoint_along(
    watched: Make, simulator: Simulator, client: Client, restarted: bool
) -> None:
    put(simulator, "/other/old.pdf")
    client.rest.snapshot.create_snapshot(name="lockstep-watcher-elsewhere", path="/other")
    watcher = watched(W, OTHER)
    with watcher.running() as process:
        assert checkpoints(client) == {"/w", "/other"}
        use(watcher, W)
        if not restarted:
            process.signal(signal.SIGHUP)
            wait_for(lambda: checkpoints(client) == {"/w"})
    with watcher.running():
        wait_for(lambda: checkpoints(client) == {"/w"})
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
    suffixes = [snapshot.suffix for snapshot in snapshots.list_all(client)]
    assert "lockstep-watcher-elsewhere" in suffixes
    starts_over(watcher, simulator)


def test_a_checkpoint_that_cannot_be_deleted_does_not_count_again(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    put(simulator, "/other/old.pdf")
    watcher = watched(W, OTHER)
    with watcher.running():
        pass
    for snapshot in snapshots.list_all(client):
        client.rest.snapshot.lock_snapshot(snapshot.id, "key")
    use(watcher, W)
    with watcher.running() as process:
        wait_for(lambda: "cannot delete checkpoints" in process.output())
    starts_over(watcher, simulator)


def test_a_directory_that_is_not_there_keeps_its_checkpoint(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    rename = client.rest.fs.rename
    put(simulator, "/other/old.pdf")
    watcher = watched(W, OTHER)
    with watcher.running():
        pass
    rename(name="away", source="/other", dir_path="/")
    with watcher.running(ready=False) as process:
        wait_for(lambda: "/other is not there" in process.status)
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        put(simulator, "/away/meanwhile.pdf")
        rename(name="other", source="/away", dir_path="/")
        watcher.wait_recorded("/other/meanwhile.pdf")
        watcher.wait_idle(process)
    assert watcher.unlocked("/other") == {"/other/old.pdf"}


def test_forget_deletes_all_checkpoints(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    put(simulator, "/other/old.pdf")
    foreign = client.rest.snapshot.create_snapshot(name="daily", path="/other")["id"]
    watcher = watched(W, OTHER)
    with watcher.running():
        refused = watcher.command("forget")
        assert refused.returncode == 1 and "process" in refused.stderr
        assert checkpoints(client) == {"/w", "/other"}
    done = watcher.command("forget")
    assert (done.returncode, done.stdout) == (0, "2 checkpoint snapshots were deleted.\n")
    assert [snapshot.id for snapshot in snapshots.list_all(client)] == [foreign]
    assert watcher.command("forget").stdout == "0 checkpoint snapshots were deleted.\n"
    put(simulator, "/other/meanwhile.pdf")
    with watcher.running() as process:
        put(simulator, "/other/new.pdf")
        watcher.wait_recorded("/other/new.pdf")
        watcher.wait_idle(process)
    assert watcher.unlocked("/other") == {"/other/old.pdf", "/other/meanwhile.pdf"}


def clean_up(place: Path, watcher: Watched) -> str:
    """Run the tasks by which the role cleans up before a removal; return the output."""
    wrapper = place / "lockstep-watcher"
    wrapper.write_text(
        f"#!/bin/sh\n{sys.executable} -m qumulo_core.watcher.main --config {watcher.config} $@\n"
    )
    wrapper.chmod(0o755)
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {
                    "ansible.builtin.include_role": {
                        "name": "lockstep.qumulo._service",
                        "tasks_from": "clean_up.yml",
                    },
                    "vars": {
                        "_service_name": "watcher",
                        "_service_command": str(wrapper),
                        "_service_clean_up": ["forget"],
                    },
                }
            ],
        }
    ]
    (place / "play.yml").write_text(json.dumps(play))
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}"),
            place / "play.yml",
        ],
        env={
            **os.environ,
            **core_environment(),
            "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _task, _clean, rest = done.stdout.partition("TASK [lockstep.qumulo._service : Clean up on the")
    return rest


def test_the_role_cleans_up_before_it_removes_the_watcher(
    watched: Make, client: Client, tmp_path: Path
) -> None:
    watcher = watched(W)
    with watcher.running():
        assert checkpoints(client) == {"/w"}
    output = clean_up(tmp_path, watcher)
    assert "changed=1" in output and "not everything" not in output
    assert checkpoints(client) == set()
    assert "changed=0" in clean_up(tmp_path, watcher)


def test_the_role_removes_the_watcher_of_a_cluster_that_is_away(
    watched: Make, simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    put(simulator, "/w/old.pdf")
    watcher = watched(W)
    with watcher.running():
        pass
    there = watcher.settings["cluster"]
    watcher.settings["cluster"] = {**there, "host": ["127.0.0.1"], "port": free_port()}
    watcher.write()
    output = clean_up(tmp_path, watcher)
    assert "changed=0" in output and "failed=0" in output
    assert "not everything" in output
    assert "Cannot delete the snapshots lockstep-watcher-test" in output
    assert "expire" in output
    # It starts over all the same.
    watcher.settings["cluster"] = there
    watcher.write()
    put(simulator, "/w/meanwhile.pdf")
    with watcher.running() as process:
        put(simulator, "/w/new.pdf")
        watcher.wait_recorded("/w/new.pdf")
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == {"/w/old.pdf", "/w/meanwhile.pdf"}
