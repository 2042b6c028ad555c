# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of a module as Ansible makes them, without the time that Ansible takes for a task."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils import basic

Call = Callable[..., "dict[str, Any]"]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls a module by its name; returns its result.

    Options are those of a task; ``check_mode`` is not one of them.
    """

    def make(module: str, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {**options, "_ansible_check_mode": check_mode}
        content = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", content)
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        name = f"ansible_collections.lockstep.qumulo.plugins.modules.{module}"
        capsys.readouterr()
        with pytest.raises(SystemExit):
            importlib.import_module(name).main()
        return dict(json.loads(capsys.readouterr().out))

    return make
