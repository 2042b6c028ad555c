# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles promise in their argument specs is what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.tree import ROOT

ROLES = sorted(path.parent.name for path in ROOT.glob("roles/*/defaults"))


def load(role: str, *parts: str) -> Any:
    return yaml.safe_load(Path(ROOT, "roles", role, *parts).read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_argument_specs_and_defaults_are_the_same(role: str) -> None:
    options = load(role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
    specified = {name: spec["default"] for name, spec in options.items() if "default" in spec}
    assert specified == load(role, "defaults", "main.yml")


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_described_and_used(role: str) -> None:
    options = load(role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
    texts = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("tasks", "templates", "vars", "defaults")
        for path in Path(ROOT, "roles", role, folder).rglob("*.*")
        if folder != "defaults"
    )
    for name, spec in options.items():
        assert spec["description"], name
        assert name.startswith(role + "_") or (role == "_service" and name.startswith("_service_"))
        assert name in texts, f"{name} is never used"
        if "password" in name or "token" in name:
            assert spec["type"] == "str"


@pytest.mark.parametrize("role", ["lock_manager", "watcher"])
def test_no_record_is_lost_while_files_are_rotated(role: str) -> None:
    """Between copying and truncating, what is written is gone; services open their files anew."""
    text = Path(ROOT, "roles", role, "tasks", "main.yml").read_text(encoding="utf-8")
    assert "copytruncate" not in text and "nocreate" in text.split()
