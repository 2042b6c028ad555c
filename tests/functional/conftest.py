# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of tests that need a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from tests.simulator.fixtures import running_simulator, simulator
from tests.simulator.harness import Simulator
from tests.tools.rsyslogd import missing

__all__ = ["running_simulator", "simulator"]

#: Files that take longest. Whole files go to one of several processes, so these are the first: else
#: the others would have nothing to do while the last one ends.
SLOW = (
    "test_playbook_variables.py",
    "test_playbooks.py",
    "test_watcher_catch_up.py",
    "test_watcher.py",
    "test_watcher_model.py",
    "test_checkpoints.py",
    "test_changelist_apply.py",
    "test_job_templates.py",
    "test_search_index.py",
    "test_incremental_copy.py",
    "test_secrets.py",
    "test_examples.py",
    "test_free_locked_file.py",
    "test_service_role.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: SLOW.index(item.path.name) if item.path.name in SLOW else len(SLOW))


@pytest.fixture
def settings(simulator: Simulator) -> Callable[..., Settings]:
    """Makes settings for the simulator, as a built-in user."""

    def make(user: str = "admin", **changes: Any) -> Settings:
        options: dict[str, Any] = {
            "hosts": tuple(simulator.addresses),
            "port": simulator.port,
            "username": user,
            "password": simulator.password(user),
            "ca_path": simulator.ca_file,
            "timeout": 20.0,
        }
        return Settings(**{**options, **changes})

    return make


@pytest.fixture
def client(settings: Callable[..., Settings]) -> Iterator[Client]:
    """An administrator's client."""
    with Client(settings()) as made:
        yield made


@pytest.fixture(scope="session")
def rsyslogd_missing() -> None:
    """Leaves a test out where there is no rsyslogd with RELP; CI has one."""
    reason = missing()
    if reason is not None and os.environ.get("CI") != "true":
        pytest.skip(reason)
