# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that cannot be meant are refused in one sentence, and slack never hides an end."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    file_locks,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.secrets import (
    read_password,
    read_token,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from tests.simulator.harness import Simulator

from .module_calls import Call, call
from .test_check_mode_agrees import connection
from .test_option_rules import NOWHERE

__all__ = ["call"]

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)


def request(retention: str, slack: str | None = None, **more: Any) -> file_locks.LockRequest:
    values: dict[str, Any] = {"legal_hold": None, "max_retention": "1y", "keep_longer": False}
    return file_locks.make_request(now=NOW, retention=retention, slack=slack, **{**values, **more})


@pytest.mark.parametrize("keep_longer", [False, True])
@pytest.mark.parametrize("slack", [None, "4min"])
def test_a_retention_period_that_is_over_is_set_again(keep_longer: bool, slack: str | None) -> None:
    wanted = request("5min", slack, keep_longer=keep_longer)
    for over in (timedelta(0), timedelta(seconds=1), timedelta(days=400)):
        todo = file_locks.plan("/a", file_locks.LockState(NOW - over, False), wanted)
        assert todo.until == wanted.until
    nearly_over = file_locks.LockState(NOW + timedelta(seconds=30), False)
    assert file_locks.plan("/a", nearly_over, wanted).until == wanted.until


def test_the_default_slack_is_a_tenth_of_a_short_period() -> None:
    assert request("5min").slack == timedelta(seconds=30)
    assert request("1d").slack == timedelta(hours=1)
    assert snapshots.Expiration.parse("10min", NOW, None).slack == timedelta(minutes=1)


def test_a_slack_that_covers_the_period_is_refused() -> None:
    for slack in ("5min", "1h"):
        with pytest.raises(InputError, match="not shorter than the period"):
            request("5min", slack)
        with pytest.raises(InputError, match="not shorter than the period"):
            snapshots.Expiration.parse("5min", NOW, slack)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"server_address": ""}, "is not a host"),
        ({"server_address": " "}, "is not a host"),
        ({"server_address": "127.0.0.1:601"}, "and the port in audit_syslog.server_port"),
        ({"server_address": "[::1]"}, "write '::1'"),
        ({"server_address": "tcp://10.0.0.5"}, "is not a host"),
        ({"server_address": "a.example,b.example"}, "is not a host"),
        ({"server_address": "10.0.0.5.7"}, "is not an IPv4 address"),
        ({"server_address": "10.0.0.5", "server_port": 0}, "server_port 0 is not a TCP port"),
        ({"server_address": "10.0.0.5", "server_port": 65536}, "is not a TCP port"),
        ({"enabled": True}, "enabled without an address"),
    ],
)
def test_where_the_audit_log_cannot_go(
    simulator: Simulator, call: Call, wanted: dict[str, Any], told: str
) -> None:
    for check_mode in (True, False):
        options = {**connection(simulator), "audit_syslog": {"enabled": True, **wanted}}
        result = call("qumulo_settings", **options, check_mode=check_mode)
        assert result.get("failed") is True, result
        assert told in result["msg"] and "\n" not in result["msg"], result["msg"]


def test_an_address_of_either_kind_is_set(simulator: Simulator, call: Call) -> None:
    for address in ("::1", "10.0.0.5", "syslog.example.com"):
        wanted = {"enabled": True, "server_address": address, "server_port": 6514}
        result = call("qumulo_settings", **connection(simulator), audit_syslog=wanted)
        assert result["settings"]["audit_syslog"]["server_address"] == address


@pytest.mark.parametrize(
    "host",
    ["https://admin:Xy7-pw@node", ["admin:Xy7-pw@node", "b"], "https://admin:Xy7-pw,q@node:8000/"],
)
@pytest.mark.parametrize("more", [{}, {"unknown": 1}])
def test_a_password_in_a_host_is_shown_nowhere(call: Call, host: Any, more: dict[str, Any]) -> None:
    result = call("qumulo_smb_lock_info", **{**NOWHERE, "host": host}, **more)
    assert result["failed"] is True
    assert "Xy7-pw" not in json.dumps(result)


def test_a_password_in_the_host_of_the_environment_is_shown_nowhere(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUMULO_HOST", "https://admin:Xy7-pw@node")
    result = call("qumulo_smb_lock_info", **{**NOWHERE, "host": None})
    assert result["failed"] is True
    assert "Xy7-pw" not in json.dumps(result)


@pytest.mark.parametrize("read", [read_password, read_token])
def test_a_secret_is_read_from_a_regular_file_only(read: Any, tmp_path: Path) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    for path in (fifo, link, tmp_path):
        with pytest.raises(InputError, match="not a regular file|Is a directory"):
            read(str(path))
    secret = tmp_path / "secret"
    secret.write_text("Xy7-pw\n")
    link.unlink()
    link.symlink_to(secret)
    assert read(str(link)) == "Xy7-pw"


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("timeout", "nan", "above 0, not nan"),
        ("timeout", "inf", "above 0, not inf"),
        ("timeout", True, "'timeout' must hold a number"),
        ("port", True, "'port' must hold a number"),
        ("retries", False, "'retries' must hold a number"),
        ("max_results", True, "'max_results' must hold a number"),
    ],
)
def test_numbers_that_are_not_numbers(call: Call, option: str, value: Any, told: str) -> None:
    result = call("qumulo_smb_lock_info", **{**NOWHERE, option: value})
    assert result["failed"] is True
    assert told in result["msg"]


def test_snapshots_by_ids_that_do_not_exist(simulator: Simulator, call: Call) -> None:
    for check_mode in (True, False):
        options = {**connection(simulator), "state": "absent", "check_mode": check_mode}
        gone = call("qumulo_snapshot", **options, snapshot_id=999)
        assert gone["changed"] is False and gone["msg"] == "Snapshot 999 does not exist."
        for number in (0, -1):
            result = call("qumulo_snapshot", **options, snapshot_id=number)
            assert result.get("failed") is True
            assert f"{number} is not the ID of a snapshot" in result["msg"]


def test_a_series_has_the_snapshots_with_a_real_time_only(simulator: Simulator, call: Call) -> None:
    others = [
        "k-99999999T999999Z",
        "k-20260230T000000Z",
        "k-\u0662\u0660260101T000000Z",
        "kk",
        "k-1",
    ]
    for name in others:
        call("qumulo_snapshot", **connection(simulator), name=name)
    call("qumulo_snapshot", **connection(simulator), name="k-20240229T235959Z")
    call("qumulo_snapshot", **connection(simulator), name="k", state="new")
    options = {**connection(simulator), "state": "absent", "name": "k", "keep": 0}
    done = call("qumulo_snapshot", **options)
    assert len(done["deleted"]) == 2
    assert not {one["suffix"] for one in done["deleted"]}.intersection(others)
