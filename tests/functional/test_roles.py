# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles promise in their argument specs is what they do."""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.connections import (  # noqa: E501
    MOST,
    RESERVED,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.config import (
    Section,
)
from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT

from .furnished import PLAYBOOK, play

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
#: Commands that change no mount: they write down how they are called, and answer from files.
_COMMANDS = {
    "findmnt": 'cat "$STATE/mounted" 2>/dev/null',
    "mkdir": 'case "$*" in *--verbose*) ;; *) exec /bin/mkdir "$@";; esac',
    "rmdir": "echo \"rmdir: failed to remove 'x': Directory not empty\" >&2; false",
    "umount": 'mv "$STATE/mounted" "$STATE/unmounted"',
    "mount": 'case "$*" in --options*) exit 32;; esac; '
    'if grep -q refused "$STATE/fstab"; then echo "mount.nfs: access denied" >&2; exit 32; fi; '
    'cat "$STATE/fstab" >> "$STATE/tables"; echo c:/ > "$STATE/mounted"',
}


class MountTasks:
    """The tasks of the atime role for its mount, with a table and commands of their own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.fstab = place / "fstab"
        self.mounted = place / "mounted"
        self.calls = place / "calls"
        (place / "bin").mkdir()
        for name, script in _COMMANDS.items():
            path = place / "bin" / name
            path.write_text(f'#!/bin/sh\necho "{name} $*" >> "$STATE/calls"\n{script}\n')
            path.chmod(0o755)

    def play(self, name: str, given: dict[str, str]) -> dict[str, Any]:
        text = Path(ROOT, "roles", "atime", "tasks", f"{name}.yml").read_text(encoding="utf-8")
        tasks = yaml.safe_load(text.replace("/etc/fstab", str(self.fstab)))
        for task in [*tasks, *(t for b in tasks for t in b.get("block", []) + b.get("rescue", []))]:
            if task.pop("ansible.builtin.systemd_service", None):
                task["ansible.builtin.debug"] = {"msg": "systemd is reloaded"}
            task.get("ansible.builtin.copy", {}).pop("owner", None)
            task.get("ansible.builtin.copy", {}).pop("group", None)
        variables = {
            "atime_mount_source": "c:/",
            "atime_mount_path": "/mnt/lockstep",
            "atime_mount_type": "nfs",
            "atime_mount_options": "noac",
            **given,
        }
        return {
            "hosts": "localhost",
            "gather_facts": False,
            "vars_files": [str(ROOT / "roles" / "atime" / "vars" / "main.yml")],
            "vars": variables,
            "tasks": tasks,
        }

    def run(self, *plays: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Run plays with nothing mounted that an earlier run did not mount."""
        path = self.place / "play.yml"
        path.write_text(yaml.safe_dump(list(plays)))
        self.calls.unlink(missing_ok=True)
        environment = {**os.environ, "STATE": str(self.place), "ANSIBLE_PIPELINING": "1"}
        environment["PATH"] = f"{self.place / 'bin'}:{environment['PATH']}"
        return subprocess.run(
            [str(PLAYBOOK), str(path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def called(self, *starts: str) -> list[str]:
        """How the commands that begin like this were called in the last run."""
        lines = self.calls.read_text().splitlines()
        return [line for line in lines if line.startswith(starts)]


@pytest.fixture
def mount_tasks(tmp_path: Path) -> MountTasks:
    return MountTasks(tmp_path)


def test_the_mount_is_one_line_of_fstab(mount_tasks: MountTasks) -> None:
    """The line of an earlier release is taken over, and no other line is touched."""
    odd = "c:/ /mnt/a\\040\\046\\040b nfs noac 0 0\n"
    mount_tasks.fstab.write_text(f"old:/x  /mnt/lockstep/\tnfs4 soft 0 0\n{_OTHERS}")
    there = [mount_tasks.play(name, {}) for name in ("mount", "mount", "unmount", "unmount")]
    given = {"atime_mount_path": "/mnt/a & b"}
    done = mount_tasks.run(*there, *(mount_tasks.play(name, given) for name in ("mount", "mount")))
    assert done.returncode == 0 and mount_tasks.fstab.read_text() == _OTHERS + odd, done.stdout
    assert mount_tasks.called("mkdir --parents --verbose", "mount", "umount", "rmdir") == [
        "mkdir --parents --verbose -- /mnt/lockstep",
        "mount /mnt/lockstep",
        "umount /mnt/lockstep",
        "rmdir -- /mnt/lockstep",
        "rmdir -- /mnt/lockstep",
        "mkdir --parents --verbose -- /mnt/a & b",
        "mount /mnt/a & b",
    ]
    assert (mount_tasks.place / "tables").read_text() == f"{_OURS}{_OTHERS}{_OTHERS}{odd}"
    # Two lines are written and one is removed; two mounts, one unmount.
    assert "changed=6" in done.stdout, done.stdout


def test_a_mount_that_fails_leaves_fstab_as_it_was(mount_tasks: MountTasks) -> None:
    """Otherwise the next run would find the line, and report what is not mounted as right."""
    mount_tasks.fstab.write_text(_OTHERS)
    given = {"atime_mount_options": "refused, x"}
    done = mount_tasks.run(mount_tasks.play("mount", {}), mount_tasks.play("mount", given))
    assert done.returncode != 0 and mount_tasks.fstab.read_text() == _OTHERS + _OURS
    assert mount_tasks.mounted.exists(), done.stdout
    text = " ".join(done.stdout.split())
    assert "Cannot mount c:/ on /mnt/lockstep: mount.nfs: access denied." in text, done.stdout
    assert mount_tasks.called("mount", "umount") == [
        "mount /mnt/lockstep",
        "mount --options remount,refused, x /mnt/lockstep",
        "umount /mnt/lockstep",
        "mount /mnt/lockstep",
        "mount /mnt/lockstep",
    ]


def rendered(role: str, place: Path, simulator: Simulator, given: dict[str, Any]) -> Any:
    """The configuration that a role writes for its service."""
    return json.loads(expression("_service_config | to_json", role, place, simulator, given))


def expression(
    text: str, role: str, place: Path, simulator: Simulator, given: dict[str, Any]
) -> str:
    """What an expression is where a role calls the one of the services."""
    path = "service.yml" if role == "atime" else "main.yml"
    (task,) = [task for task in load(role, "tasks", path) if "_service_config" in str(task)]
    own = load(role, "vars", "main.yml") if role == "atime" else {}
    shared = {**load("_service", "defaults", "main.yml"), **load("_service", "vars", "main.yml")}
    variables = {**shared, **load(role, "defaults", "main.yml"), **own, **task["vars"], **given}
    variables["inventory_hostname_short"] = "localhost"
    tasks = [{"ansible.builtin.debug": {"msg": f"{{{{ {text} | b64encode }}}}"}}]
    plays = [{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]
    done = play(simulator, place, yaml.safe_dump(plays))
    found = re.search(r'"msg": "([A-Za-z0-9+/=]+)"', done.stdout)
    assert found is not None, done.stdout + done.stderr
    return base64.b64decode(found.group(1)).decode()


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


def test_the_page_can_have_all_connections_and_bounded_memory(
    simulator: Simulator, tmp_path: Path
) -> None:
    template = ROOT / "roles" / "_service" / "templates" / "service.j2"
    given = {"lock_manager_memory_max": "3G", "ansible_managed": "Managed by Ansible"}
    text = f"lookup('ansible.builtin.template', '{template}')"
    lines = expression(text, "lock_manager", tmp_path, simulator, given).splitlines()
    assert "MemoryMax=3G" in lines
    (limit,) = [int(line.partition("=")[2]) for line in lines if line.startswith("LimitNOFILE=")]
    assert limit >= MOST + RESERVED


@pytest.mark.parametrize(
    ("way", "ordered"),
    [
        ("mount", ["After=remote-fs.target", "Before=rsyslog.service"]),
        ("api", ["Before=rsyslog.service"]),
    ],
)
def test_rsyslog_stops_before_the_syncer(way: str, ordered: list[str], tmp_path: Path) -> None:
    """Units stop in the reverse order of their start. Nobody waits for the network at boot."""
    (task,) = load("atime", "tasks", "service.yml")
    wanted = ("_service_name", "_service_description", "_service_unit", "_service_after_network")
    variables = {name: task["vars"][name] for name in wanted}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [
            str(ROOT / "roles" / "_service" / "defaults" / "main.yml"),
            str(ROOT / "roles" / "_service" / "vars" / "main.yml"),
        ],
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": str(ROOT / "roles" / "_service" / "templates" / "service.j2"),
                    "dest": str(tmp_path / "unit"),
                },
                "vars": {**variables, "atime_set": way},
            }
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    command = [PLAYBOOK, "-c", "local", "play.yml"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    unit = (tmp_path / "unit").read_text()
    assert sorted(re.findall("^(?:After|Before|Wants)=.*$", unit, re.MULTILINE)) == ordered


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to an account")
def test_a_link_in_place_of_the_queue_is_not_followed(mount_tasks: MountTasks) -> None:
    """The account of rsyslogd could otherwise become the owner of any directory."""
    target, queue = mount_tasks.place / "target", mount_tasks.place / "lockstep"
    target.mkdir(mode=0o755)
    queue.symlink_to(target)
    tasks = load("atime", "tasks", "rsyslog.yml")
    block = next(task["block"] for task in tasks if "block" in task)
    task = next(t for t in block if t["name"] == "Have a place for its queue")
    task["ansible.builtin.file"]["path"] = str(queue)
    done = {}
    for account in ("nobody", "root"):
        owner = {"stat": {"pw_name": account, "gr_name": pwd_group(account)}}
        there = {"atime_rsyslog_queues": {"results": [{}, {}, owner]}}
        play = {"hosts": "localhost", "gather_facts": False, "vars": there, "tasks": [task]}
        done[account] = mount_tasks.run(play)
        if account == "nobody":
            found = target.stat()
            assert (found.st_uid, found.st_mode & 0o777) == (0, 0o755), done[account].stdout
    assert done["nobody"].returncode != 0 and "exists as a link" in done["nobody"].stdout
    # Root's own link is where an administrator wants the queue.
    assert done["root"].returncode == 0, done["root"].stdout
    assert target.stat().st_mode & 0o777 == 0o700


def pwd_group(account: str) -> str:
    return grp.getgrgid(pwd.getpwnam(account).pw_gid).gr_name
