# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the connection check decides."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check import (
    findings,
    probes,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check.config import parse
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check.findings import (
    Finding,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check.needs import (
    NEEDS,
    SERVICES,
    Needs,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.config import (
    Section,
)

OK, WARNING, FAILED = findings.OK, findings.WARNING, findings.FAILED


def test_privileges_that_lack_are_named() -> None:
    needs = Needs(("A", "B"), (("C", "it is slow"), ("D", "it is slow"), ("E", "it is blind")))
    lacking = probes.judge_privileges("x", needs, {"A", "C"})
    assert (lacking.level, lacking.text.split()[0]) == (FAILED, "B")
    less = probes.judge_privileges("x", needs, {"A", "B", "C"})
    assert less.level == WARNING
    assert less.text == "without D it is slow; without E it is blind."
    assert probes.judge_privileges("x", needs, set("ABCDE")).level == OK


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_says_what_it_needs(service: str) -> None:
    needs = NEEDS[service]
    names = [*needs.required, *(name for name, _loss in needs.useful)]
    assert names
    assert all(name.startswith("PRIVILEGE_") for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("seconds", "uncertainty", "level"),
    [(0, 0, OK), (-4, 0, OK), (6, 2, OK), (-20, 0, WARNING), (301, 0, FAILED), (-301, 2, WARNING)],
)
def test_clocks(seconds: int, uncertainty: float, level: str) -> None:
    found = probes.judge_skew(timedelta(seconds=seconds), uncertainty)
    assert found.level == level
    if level != OK:
        assert ("ahead of" if seconds > 0 else "behind") in found.text


@pytest.mark.parametrize(
    ("mode", "level"), [("ENABLED", OK), ("DISABLED_IGNORE", FAILED), ("DISABLED_ERROR", FAILED)]
)
def test_notifications(mode: str, level: str) -> None:
    assert probes.judge_notify(mode).level == level


def test_the_audit_log_must_reach_this_host() -> None:
    assert probes.judge_audit({"enabled": False}, {"a"}).level == WARNING
    there = {"enabled": True, "server_address": "a", "server_port": 514, "format": "csv"}
    assert probes.judge_audit(there, {"a"}).level == OK
    address = {**there, "server_address": "192.0.2.7"}
    assert "not an address of this host" in probes.judge_audit(address, {"b"}).text
    name = {**there, "server_address": "localhost"}
    assert probes.judge_audit(name, {"127.0.0.1"}).level == OK
    unknown = {**there, "server_address": "no-such-host.invalid"}
    text = probes.judge_audit(unknown, {"b"}).text
    assert "no-such-host.invalid port 514, a host name that cannot be resolved" in text
    assert {"localhost", "127.0.0.1"} <= probes.own_addresses()


def test_two_writers_of_access_times() -> None:
    assert probes.judge_atime({"enabled": False, "granularity": "HOUR"}).level == OK
    assert "granularity HOUR" in probes.judge_atime({"enabled": True, "granularity": "HOUR"}).text


def test_the_worst_finding_counts() -> None:
    found = [Finding("a", OK, "."), Finding("b", WARNING, ".")]
    assert findings.worst([]) == OK
    assert findings.worst(found) == WARNING
    assert findings.worst([*found, Finding("c", FAILED, ".")]) == FAILED
    assert findings.summary([*found, Finding("c", FAILED, ".")]) == (
        "1 of 3 checks pass, 1 with a warning, 1 failed"
    )


@pytest.mark.parametrize("every", ["0s", 0, 0.5])
def test_an_interval_below_a_second_is_refused_and_not_changed(every: object) -> None:
    given = {"cluster": {"host": "127.0.0.1"}, "every": every}
    with pytest.raises(InputError, match="'every' must be 1s or more"):
        parse(Section(given))
    assert parse(Section({**given, "every": "5min"})).every == 300
