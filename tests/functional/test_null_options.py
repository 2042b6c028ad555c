# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option with a null value is an error, because Ansible takes it for one that was left out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils._module import (
    connection_argument_spec,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks import closing
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.filters import (
    HandleFilter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.listing import (
    list_handles,
)
from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT

from .module_calls import Call, call
from .module_runs import Module, module
from .test_examples import documented
from .test_option_rules import NOWHERE

__all__ = ["call", "module"]

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("qumulo_*.py"))
CONNECTED = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["qumulo"]
OPTIONS = [
    (name, option)
    for name in MODULES
    for option in documented(name, "DOCUMENTATION")["options"]
    if option not in connection_argument_spec()
]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_each_option_that_is_null_is_refused(call: Call, name: str, option: str) -> None:
    result = call(name, **{**NOWHERE, option: None})
    assert result["failed"] is True
    assert f"'{option}' is null" in result["msg"]
    assert "default(omit)" in result["msg"]


def test_a_null_within_a_setting_is_refused(call: Call) -> None:
    wanted = {"enabled": True, "server_address": None}
    result = call("qumulo_settings", **NOWHERE, audit_syslog=wanted)
    assert "'audit_syslog.server_address' is null" in result["msg"]


@pytest.mark.parametrize("option", sorted({*connection_argument_spec()} - {"host"}))
def test_a_connection_option_that_is_null_counts_as_not_set(call: Call, option: str) -> None:
    result = call("qumulo_smb_lock_info", **{**NOWHERE, option: None})
    assert "null" not in result["msg"]


def test_the_host_of_the_environment_is_used_when_the_option_is_null(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUMULO_HOST", "127.0.0.3")
    result = call("qumulo_smb_lock_info", **{**NOWHERE, "host": None})
    assert "127.0.0.3" in result["msg"]


@pytest.mark.parametrize("name", CONNECTED)
@pytest.mark.parametrize("host", [{}, {"host": None}, {"host": []}, {"host": " "}, {"host": ","}])
def test_a_missing_host_names_the_next_step(
    call: Call, monkeypatch: pytest.MonkeyPatch, name: str, host: dict[str, Any]
) -> None:
    monkeypatch.setenv("QUMULO_HOST", "")
    result = call(name, **{k: v for k, v in NOWHERE.items() if k != "host"}, **host)
    assert result["failed"] is True
    assert result["msg"].startswith("No cluster is named, because host is not set: set it to ")
    assert "QUMULO_HOST" in result["msg"] and "group/lockstep.qumulo.qumulo" in result["msg"]


def test_a_filter_without_a_condition_closes_nothing(client: Client) -> None:
    everything = HandleFilter.make()
    handles = list_handles(client, everything)
    with pytest.raises(InputError, match="names nothing"):
        closing.check(handles, everything, max_close=1000, plan=None)
    with pytest.raises(InputError, match="names nothing"):
        closing.close(client, handles, everything)


def test_a_template_that_gives_null_closes_nothing(simulator: Simulator, module: Module) -> None:
    simulator.control("files/put", path="/finance/Budget.xlsx")
    simulator.control(
        "smb/open", user="CORP\\omar", path="/finance/Budget.xlsx", address="10.1.1.1"
    )
    cases: tuple[dict[str, Any], ...] = (
        {"path": "{{ ticket.file | default(none) }}"},
        {"directory": "/finance", "user": "{{ ticket.user | default(none) }}"},
        {"directory": "/finance", "plan": "{{ ticket.plan | default(none) }}"},
        {"directory": "/finance", "user": None},
    )
    *results, done = module("qumulo_smb_lock", *cases, {"directory": "/finance"})
    for result in results:
        assert result["failed"] is True
        # As empty text, which releases of ansible-core before 2.19 make of it, it is refused too.
        assert "is null" in result["msg"] or "empty text" in result["msg"]
    assert done["totals"]["closed"] == 1
