# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of "What happens when" that no other test makes happen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files, snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (
    Order,
    build,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import QumuloError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    parse_rfc3339_ns,
)
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import running_page
from tests.tools.services import wait_for
from tests.tools.visitor import Visitor

from .synced import Sender, Synced, csv_line
from .test_atime import tmpfs
from .test_watcher_versions import is_held, lose, release
from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def stop_all_but_one(simulator: Simulator) -> None:
    """Stop nodes; the first ones are what clients use first."""
    for address in simulator.addresses[:-1]:
        simulator.control("nodes/stop", address=address)
    simulator.wait(lambda state: sum(state["nodes"].values()) == 1)


def test_the_syncer_uses_the_next_node(
    tmp_path: Path, simulator: Simulator, client: Client
) -> None:
    put(simulator, "/f")
    found = files.get(client, by_path("/f"))
    later = time.time_ns() // 1000 * 1000
    syncer = Synced(tmp_path, simulator=simulator)
    with syncer.running(), Sender(syncer.port) as sender:
        stop_all_but_one(simulator)
        sender.put([csv_line(later, "/f", file_id=found.id)])
        syncer.wait_idle(1)
    assert parse_rfc3339_ns(files.get(client, by_path("/f")).access_time) == later


def test_the_page_refreshes_its_list_through_the_next_node(
    tmp_path: Path, simulator: Simulator
) -> None:
    with running_page(simulator, tmp_path) as page:
        visitor = Visitor(page.url, str(tmp_path / "ca.pem"))
        visitor.log_in("admin", simulator.password())
        generation = visitor.json("/api/v1/status?after=0")["generation"]
        stop_all_but_one(simulator)

        def refreshed() -> bool:
            status = visitor.json("/api/v1/status")
            return bool(status["generation"] > generation + 1 and status["error"] is None)

        wait_for(refreshed)


def test_a_deleted_token_costs_no_file_and_is_named(
    watched: Make, simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    def token() -> Any:
        body = {"user": {"name": "admin"}}
        return client.rest.request("POST", "/v1/auth/access-tokens/", body=body)

    file = tmp_path / "token"
    made = token()
    file.write_text(made["bearer_token"])
    place = watched(max_attempts=1)
    for option in ("username", "password_file"):
        del place.settings["cluster"][option]
    place.settings["cluster"]["access_token_file"] = str(file)
    place.write()
    with place.running() as process:
        client.rest.request("DELETE", f"/v1/auth/access-tokens/{made['id']}")
        put(simulator, "/w/a")
        wait_for(lambda: "token" in process.status)
        file.write_text(token()["bearer_token"])
        place.wait_recorded("/w/a")
        place.wait_idle(process)
        assert "given up" not in process.status


def test_a_full_disk_leaves_the_old_list(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    client.rest.fs.create_directory(name="t", dir_path="/")
    client.rest.snapshot.create_snapshot(path="/t/", name="older")
    simulator.control("files/bulk", directory="/t/many", count=5000, size=1)
    client.rest.snapshot.create_snapshot(path="/t/", name="newer")
    older, newer = snapshots.list_all(client)
    with tmpfs(tmp_path / "disk", "mode=755,size=64k") as disk:
        (disk / "list").write_text("old\n")
        order = Order(str(disk / "list"), "jsonl", "none")
        with pytest.raises(QumuloError, match=str(disk)):
            build(client, newer, older, order, check_mode=False)
        assert [path.name for path in disk.iterdir()] == ["list"]
        assert (disk / "list").read_text() == "old\n"


def test_without_the_evidence_a_released_hold_is_set_again(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    place = watched({"path": "/w", "retention": None, "legal_hold": True})
    with place.running() as process:
        put(simulator, "/w/a")
        place.wait_recorded("/w/a")
        place.wait_idle(process)
    release(client, "/w/a")
    lose(place, evidence=True)
    place.settings["first_start"] = "existing"
    place.write()
    for snapshot in snapshots.list_all(client):
        snapshots.delete(client, snapshot)
    with place.running():
        place.wait_recorded("/w/a")
    assert is_held(client, "/w/a")


def test_a_login_ends_with_the_page(tmp_path: Path, simulator: Simulator) -> None:
    with running_page(simulator, tmp_path) as page:
        visitor = Visitor(page.url, str(tmp_path / "ca.pem"))
        visitor.log_in("admin", simulator.password())
        assert visitor.get("/").status_code == 200
    with running_page(simulator, tmp_path) as page:
        visitor.url = page.url
        answer = visitor.get("/")
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login")
