# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles promise in their argument specs is what they do."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.config import (
    Section,
)
from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT

from .furnished import play

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


_OURS = "c:/ /mnt/lockstep nfs noac 0 0\n"
_OTHERS = "# " + _OURS + "c:/ /mnt/lockstep2 nfs x 0 0\nc:/ /mnt/lockstep/x nfs x 0 0\n"


@pytest.mark.parametrize(
    ("path", "there", "added", "removed"),
    [
        ("/mnt/lockstep", "", _OURS, ""),
        ("/mnt/lockstep/", _OURS, _OURS, ""),
        ("/mnt/lockstep", "old:/x  /mnt/lockstep/\tnfs4 soft 0 0\n", _OURS, ""),
        ("/mnt/lockstep", _OTHERS, _OTHERS + _OURS, _OTHERS),
        ("/mnt/a b", "c:/ /mnt/a\\040b nfs x 0 0\n", "c:/ /mnt/a\\040b nfs noac 0 0\n", ""),
    ],
)
def test_the_mount_is_one_line_of_fstab(
    path: str, there: str, added: str, removed: str, tmp_path: Path
) -> None:
    """The line of an earlier release is taken over, and no other line is touched."""
    fstab = tmp_path / "fstab"
    fstab.write_text(there)
    for name, expected in (("mount", added), ("unmount", removed)):
        tasks = yaml.safe_load((ROOT / "roles" / "atime" / "tasks" / f"{name}.yml").read_text())
        (task,) = (task for task in tasks if "ansible.builtin.lineinfile" in task)
        task["ansible.builtin.lineinfile"]["path"] = str(fstab)
        del task["when"]
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars_files": [str(ROOT / "roles" / "atime" / "vars" / "main.yml")],
            "vars": {
                "atime_mount_source": "c:/",
                "atime_mount_path": path,
                "atime_mount_type": "nfs",
                "atime_mount_options": "noac",
            },
            "tasks": [task],
        }
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), str(tmp_path / "play.yml")],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        before, there = there, fstab.read_text()
        assert there == expected
        assert ("changed=0" in done.stdout) == (before == there)


def rendered(role: str, place: Path, simulator: Simulator, given: dict[str, Any]) -> Any:
    """The configuration that a role writes for its service."""
    path = "service.yml" if role == "atime" else "main.yml"
    (task,) = [task for task in load(role, "tasks", path) if "_service_config" in str(task)]
    variables = {**load(role, "defaults", "main.yml"), **task["vars"], **given}
    variables["inventory_hostname_short"] = "localhost"
    tasks = [{"ansible.builtin.debug": {"msg": "{{ _service_config | to_json | b64encode }}"}}]
    plays = [{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]
    done = play(simulator, place, yaml.safe_dump(plays))
    found = re.search(r'"msg": "([A-Za-z0-9+/=]+)"', done.stdout)
    assert found is not None, done.stdout + done.stderr
    return json.loads(base64.b64decode(found.group(1)))


#: Where the lists of texts of each role stand in the configuration of its service.
LISTS = {
    "watcher": {"watcher_host": "cluster.host"},
    "atime": {
        "atime_host": "cluster.host",
        "atime_operations": "operations",
        "atime_include_prefixes": "include.prefixes",
        "atime_exclude_prefixes": "exclude.prefixes",
        "atime_include_globs": "include.globs",
        "atime_exclude_globs": "exclude.globs",
        "atime_ignore_users": "ignore.users",
        "atime_ignore_networks": "ignore.networks",
        "atime_ignore_protocols": "ignore.protocols",
    },
    "lock_manager": {
        "lock_manager_host": "cluster.host",
        "lock_manager_allowed_hosts": "allowed_hosts",
        "lock_manager_trusted_proxies": "trusted_proxies",
    },
}


@pytest.mark.parametrize("role", sorted(LISTS))
def test_a_text_for_a_list_is_one_element(role: str, simulator: Simulator, tmp_path: Path) -> None:
    options = load(role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
    lists = {n for n, o in options.items() if o["type"] == "list" and o["elements"] == "str"}
    assert lists == set(LISTS[role])
    text = "Smith, omar {2}"
    found = rendered(role, tmp_path, simulator, dict.fromkeys(lists, text))
    for where in LISTS[role].values():
        section, _dot, key = where.rpartition(".")
        assert Section(found[section] if section else found).texts(key) == (text,)
    assert found.get("title", "Smith") == "Smith"
