# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode fails where the run itself would fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from tests.simulator.harness import Simulator

from .module_calls import Call, call

__all__ = ["call"]


def connection(simulator: Simulator) -> dict[str, Any]:
    return {
        "host": list(simulator.addresses),
        "port": simulator.port,
        "username": "admin",
        "password": simulator.password(),
        "ca_path": simulator.ca_file,
    }


@pytest.fixture
def furnished(simulator: Simulator) -> Simulator:
    simulator.control("files/put", path="/a/file")
    simulator.control("smb/open", user="CORP\\omar", path="/a/file", address="10.1.1.1")
    return simulator


def limited(
    simulator: Simulator, settings: Callable[..., Settings], privilege: str
) -> dict[str, str]:
    """Add an account with all privileges but one; return its credentials as options."""
    with Client(settings()) as client:
        granted = client.who_am_i()["privileges"]
    account = {"username": "limited", "password": "Limited123!"}
    simulator.control(
        "users/add",
        name=account["username"],
        password=account["password"],
        privileges=[each for each in granted if each != privilege],
    )
    return account


CASES: list[tuple[str, dict[str, Any], str]] = [
    (
        *("qumulo_file_lock", {"path": "/a/file", "retention": "1d"}),
        "PRIVILEGE_FS_FILE_LOCK_WRITE",
    ),
    ("qumulo_snapshot", {"name": "n"}, "PRIVILEGE_SNAPSHOT_WRITE"),
    (
        *("qumulo_settings", {"access_times": {"enabled": True}}),
        "PRIVILEGE_FS_SETTINGS_WRITE",
    ),
    (
        "qumulo_settings",
        {"audit_syslog": {"enabled": True, "server_address": "10.0.0.5"}},
        "PRIVILEGE_AUDIT_WRITE",
    ),
]


@pytest.mark.parametrize(("name", "options", "privilege"), CASES)
def test_a_missing_privilege_is_reported(
    furnished: Simulator,
    settings: Callable[..., Settings],
    call: Call,
    name: str,
    options: dict[str, Any],
    privilege: str,
) -> None:
    as_admin = call(name, **connection(furnished), **options, check_mode=True)
    assert as_admin["changed"] is True, as_admin
    account = limited(furnished, settings, privilege)
    options = {**connection(furnished), **account, **options}
    for check_mode in (True, False):
        result = call(name, **options, check_mode=check_mode)
        assert result.get("failed") is True, result
        assert privilege in result["msg"]
        assert "\n" not in result["msg"]


def test_who_may_only_look_sees_the_holders(
    furnished: Simulator, settings: Callable[..., Settings], call: Call
) -> None:
    privilege = "PRIVILEGE_SMB_FILE_HANDLE_WRITE"
    account = limited(furnished, settings, privilege)
    options = {**connection(furnished), **account, "path": "/a/file"}
    shown = call("qumulo_smb_lock", **options, check_mode=True)
    assert len(shown["closed"]) == 1
    assert privilege in str(shown["warnings"])
    assert privilege in call("qumulo_smb_lock", **options)["msg"]


def test_a_symlink_is_refused_by_name(furnished: Simulator, client: Client, call: Call) -> None:
    client.rest.fs.create_symlink(name="link", target="file", dir_path="/a")
    for name, more in (("qumulo_file_lock", {"retention": "1d"}), ("qumulo_file_lock_info", {})):
        for recurse in (True, False):
            for check_mode in (True, False):
                options = {**connection(furnished), "path": "/a/link", "recurse": recurse, **more}
                result = call(name, **options, check_mode=check_mode)
                assert result.get("failed") is True, result
                assert "only files can be locked: name the file itself" in result["msg"]


def test_a_locked_snapshot_does_not_expire_earlier(
    furnished: Simulator, client: Client, call: Call
) -> None:
    made = call("qumulo_snapshot", **connection(furnished), name="n", expiration="9d")
    client.rest.snapshot.lock_snapshot(made["snapshot"]["snapshot_id"], "key")
    for check_mode in (True, False):
        options = {**connection(furnished), "name": "n", "check_mode": check_mode}
        result = call("qumulo_snapshot", **options, expiration="5d")
        assert result.get("failed") is True and "cannot expire earlier" in result["msg"]
    later = call("qumulo_snapshot", **connection(furnished), name="n", expiration="12d")
    assert later["changed"] is True
