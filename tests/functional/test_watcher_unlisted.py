# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory that may not be listed holds up nothing but the checkpoint."""

from __future__ import annotations

import json

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import Process, free_port, wait_for

from .watched import Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]

SNAPSHOTS = [
    "PRIVILEGE_SNAPSHOT_READ",
    "PRIVILEGE_SNAPSHOT_WRITE",
    "PRIVILEGE_SNAPSHOT_DIFFERENCE_READ",
]


def unlisted(watcher: Watched) -> int:
    return int(json.loads(watcher.command("status", "--json").stdout)["unlisted_directories"])


def checkpoint(client: Client) -> list[int]:
    return [snapshot.id for snapshot in snapshots.list_all(client)]


def limited(watched: Make, simulator: Simulator, *privileges: str, **options: object) -> Watched:
    """A watcher whose account is bound by permissions, and that looks at the tree every second."""
    privileges = ("PRIVILEGE_FS_FILE_LOCK_WRITE", *privileges)
    simulator.control(
        "users/add", name="limited", password="Limited123!", privileges=list(privileges)
    )
    simulator.users["limited"] = {"password": "Limited123!"}
    try:
        return watched(user="limited", poll_interval=1, **options)
    finally:
        del simulator.users["limited"]


def wait_polling(process: Process) -> None:
    wait_for(lambda: process.status.startswith("polling"), 240)


@pytest.mark.parametrize("use_snapshots", [True, False])
def test_the_rest_is_locked_and_the_directory_reported(
    watched: Make, simulator: Simulator, client: Client, use_snapshots: bool
) -> None:
    put(simulator, "/w/a/old.pdf")
    privileges = SNAPSHOTS if use_snapshots else []
    watcher = limited(watched, simulator, *privileges, snapshots=use_snapshots)
    with watcher.running(ready=False) as process:
        wait_polling(process)
    before = checkpoint(client)
    put(simulator, "/w/secret/deep/x.pdf")
    put(simulator, "/w/a/new.pdf")
    client.rest.fs.set_file_attr(path="/w/secret", mode="0700")
    with watcher.running(ready=False) as process:
        watcher.wait_recorded("/w/a/new.pdf")
        wait_for(lambda: "cannot list /w/secret: permission denied" in process.status)
        caught_up = process.output().count("caught up")
        wait_for(lambda: process.output().count("caught up") > caught_up + 1, 120)
        assert process.output().count("cannot list /w/secret:") == 1  # once, not each time
        assert set(before) <= set(checkpoint(client))  # it stays where it was
        assert process.running
        client.rest.fs.set_file_attr(path="/w/secret", mode="0755")
        watcher.wait_recorded("/w/secret/deep/x.pdf")
        wait_for(lambda: "cannot list" not in process.status)
        wait_for(lambda: "/w/secret can be listed again" in process.output())
        if use_snapshots:
            wait_for(lambda: not set(before) & set(checkpoint(client)))
    assert watcher.unlocked("/w") == {"/w/a/old.pdf"}


def left_with_a_secret(watcher: Watched, simulator: Simulator, client: Client) -> int:
    """Let a watcher end; create files then, some in a directory that it may not list.

    Return its checkpoint.
    """
    with watcher.running():
        pass
    (before,) = checkpoint(client)
    put(simulator, "/w/secret/x.pdf")
    put(simulator, "/w/a.pdf")
    secret = client.rest.fs.get_file_attr(path="/w/secret")["id"]
    refused = f"GET /v1/files/({secret}|%2Fw%2Fsecret)/entries/"
    simulator.control("faults/add", route=refused, kind="403")
    return before


def test_the_stream_is_followed_all_the_same(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched(checkpoint_interval=1, silence=2, metrics_port=free_port())
    before = left_with_a_secret(watcher, simulator, client)
    with watcher.running() as process:
        watcher.wait_recorded("/w/a.pdf")
        wait_for(lambda: "cannot list /w/secret" in process.status)
        assert unlisted(watcher) == 1
        put(simulator, "/w/secret/told.pdf")
        watcher.wait_recorded("/w/secret/told.pdf")
        simulator.control("faults/clear")
        watcher.wait_recorded("/w/secret/x.pdf")  # without another break of the stream
        wait_for(lambda: "cannot list" not in process.status)
        wait_for(lambda: before not in checkpoint(client))
        wait_for(lambda: unlisted(watcher) == 0)
    assert watcher.unlocked("/w") == set()


def test_a_directory_that_no_rule_wants_does_not_matter(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched({"path": "/w", "exclude": ["secret"]}, checkpoint_interval=1, silence=2)
    before = left_with_a_secret(watcher, simulator, client)
    with watcher.running() as process:
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)
        wait_for(lambda: before not in checkpoint(client))
        assert "cannot list" not in process.output()
