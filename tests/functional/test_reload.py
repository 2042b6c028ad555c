# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reload takes into use is marked at the fields; parsers, services and roles agree."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import (
    app as atime,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import (
    config as atime_config,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check import (
    config as check_config,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check import heartbeat
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import (
    config as page_config,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service import reload
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.config import (
    Section,
    load,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import (
    app as watcher,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import (
    config as watcher_config,
)
from tests.tools.tree import ROOT

CLUSTER = {"host": "127.0.0.1", "validate_certs": False, "access_token_file": "token"}


@dataclass(frozen=True)
class Case:
    """A service.

    :param first: a configuration.
    :param other: another value for each of its options; options that go together share one.
    :param role: file with the variables of its role.
    """

    name: str
    parse: Callable[[Section], Any]
    kind: type
    first: dict[str, Any]
    other: dict[str, dict[str, Any]]
    role: str


def single(**options: Any) -> dict[str, dict[str, Any]]:
    """Options that change alone."""
    return {name: {name: value} for name, value in options.items()}


COMMON = single(metrics_port=1, lock_file="x.lock", log_format="json", log_level="debug")
WATCHER = Case(
    "watcher",
    watcher_config.parse,
    watcher_config.Config,
    {"cluster": CLUSTER, "rules": [{"path": "/w", "retention": "1d"}], "name": "a"},
    {
        **COMMON,
        **single(
            name="b",
            cluster={**CLUSTER, "timeout": 7},
            rules=[{"path": "/v", "retention": "1d"}],
            first_start="existing",
            snapshots=False,
            checkpoint_interval="2h",
            checkpoint_max_age="8d",
            poll_interval="1min",
            max_clock_skew="1min",
            silence="9s",
            spool="x.db",
            evidence="x.jsonl",
            evidence_max_bytes=5000,
            workers=3,
            max_attempts=3,
        ),
        "max_retention": {
            "max_retention": "3y",
            "rules": [{"path": "/w", "retention": "2y"}],
        },
    },
    "roles/watcher/tasks/main.yml",
)
SYNCER = Case(
    "atime",
    atime_config.parse,
    atime_config.Config,
    {"mount": {"path": "/mnt/x"}, "cluster": CLUSTER},
    {
        **COMMON,
        **single(
            cluster={**CLUSTER, "timeout": 7},
            listen={"port": 7},
            mount={"path": "/mnt/y"},
            operations=["fs_write_data"],
            include={"prefixes": ["/a"]},
            exclude={"prefixes": ["/a"]},
            ignore={"users": ["bob"]},
            audit_format="csv",
            window=3,
            granularity=3,
            max_future="1h",
            max_files=5000,
            workers=3,
            max_attempts=3,
            spool="x.db",
        ),
        "set": {"set": "api", "mount": None},
    },
    "roles/atime/tasks/service.yml",
)
CHECK = Case(
    "check",
    check_config.parse,
    check_config.Config,
    {"cluster": CLUSTER},
    {**COMMON, **single(cluster={**CLUSTER, "timeout": 7}, services=["watcher"], every="2min")},
    "extensions/molecule/service/vars.yml",
)
PAGE = Case(
    "lock_manager",
    page_config.parse,
    page_config.Config,
    {"cluster": {"host": "127.0.0.1"}, "allowed_hosts": ["a"], "audit_file": "/tmp/x.jsonl"},
    {},
    "roles/lock_manager/tasks/main.yml",
)
CASES = [WATCHER, SYNCER, CHECK, PAGE]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
CHANGES = [
    pytest.param(case, option, id=f"{case.name}-{option}")
    for case in (WATCHER, SYNCER, CHECK)
    for option in case.other
]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths are of a directory of the test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("x")


def marked(case: Case) -> set[str]:
    """Options that a reload takes into use."""
    return reload.reloaded_options(case.kind)


@each
def test_each_option_belongs_to_a_field(case: Case) -> None:
    section = Section(case.first)
    case.parse(section)
    assert section._known == reload.all_options(case.kind)
    if case is not PAGE:
        assert set(case.other) == section._known


@each
def test_no_option_counts_both_at_start_and_after_a_reload(case: Case) -> None:
    start = [one for one in fields(case.kind) if not reload.is_reloaded(one)]
    assert not marked(case) & {option for one in start for option in reload.options_of(one)}


@each
def test_the_role_reloads_exactly_what_is_marked(case: Case) -> None:
    read = yaml.safe_load((ROOT / case.role).read_text(encoding="utf-8"))
    found = [read] if isinstance(read, dict) else [task.get("vars", {}) for task in read]
    listed = [each["_service_reloads"] for each in found if "_service_reloads" in each]
    assert listed == ([sorted(marked(case), key=listed[0].index)] if marked(case) else [])


@pytest.mark.parametrize(("case", "option"), CHANGES)
def test_a_reload_takes_what_is_marked_and_warns_of_the_rest(
    case: Case, option: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "config.yml"
    first = {**case.first, "lock_file": "a.lock", "metrics_port": 0}
    if case in (WATCHER, SYNCER):
        first["spool"] = "a.db"
    if case is WATCHER:
        first["evidence"] = "a.jsonl"

    def parsed() -> Any:
        return case.parse(load(str(file)))

    file.write_text(yaml.safe_dump(first))
    before = parsed()
    service: Any
    if case is WATCHER:
        service = watcher.Watcher(parsed)
    elif case is SYNCER:
        service = atime.Syncer(parsed)
    else:
        service = heartbeat.Heartbeat(str(file), before)
    file.write_text(yaml.safe_dump({**first, **case.other[option]}))
    after = parsed()
    with caplog.at_level(logging.WARNING):
        service.reload()
    used = service._config if case is CHECK else service.config
    changed = [
        one for one in fields(case.kind) if getattr(before, one.name) != getattr(after, one.name)
    ]
    assert option in {name for one in changed for name in reload.options_of(one)}
    for one in changed:
        wanted = after if reload.is_reloaded(one) else before
        assert getattr(used, one.name) == getattr(wanted, one.name), one.name
    told = [text for text in caplog.messages if "counts after a restart" in text]
    assert bool(told) == (option not in marked(case))
    assert not told or f"'{option}'" in told[0]
