# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What documents show of services and roles works, as far as it does without a host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.records import (  # noqa: E501
    Records,
)
from tests.simulator.certificates import create
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import configuration
from tests.tools.services import core_environment, free_port, start_service, wait_for
from tests.tools.tree import copied_tree

from .documented import BLOCKS, Block, shown
from .furnished import furnish, local, play, stand_in, typed
from .synced import Synced
from .watched import Watched

ROLES = [block for block in BLOCKS if block.is_roles]
#: Commands among others that can not be run here, and why.
LEFT_OUT = {
    "systemctl": "There is no systemd; Molecule's scenarios ask it on hosts.",
    "journalctl": "There is no journal; Molecule's scenarios read it on hosts.",
}


def test_what_is_typed_every_day_works(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    """What a person asks the services, of services that run and have something to tell."""
    furnish(simulator, tmp_path)
    for name in ("watcher", "atime"):
        (tmp_path / name).mkdir()
    rules = [{"path": "/archive", "retention": "30d", "quiet": 0}]
    watched = Watched(
        simulator,
        client,
        tmp_path / "watcher",
        rules,
        evidence=str(tmp_path / "evidence.jsonl"),
        evidence_max_bytes=1 << 14,
        first_start="existing",
        metrics_port=free_port(),
    )
    watched.evidence = tmp_path / "evidence.jsonl"
    synced = Synced(tmp_path / "atime", simulator=simulator)
    for name, config in (("watcher", watched.config), ("atime", synced.config)):
        stand_in(tmp_path, f"lockstep-{name}", *_command(name, config))
    stand_in(tmp_path, "lockstep-lock-manager", *_lock_manager(simulator, tmp_path))
    simulator.control("files/bulk", directory="/archive/many", count=30)
    with synced.running(), watched.running() as process:
        wait_for(lambda: len(watched.records()) >= 31, 60)
        # Thirty lines fit into the file and sixty do not, whichever of them are written together:
        # exactly one file is put aside, as in the guide.
        simulator.control("files/bulk", directory="/archive/more", count=30)
        wait_for((tmp_path / "evidence.jsonl.000001").exists, 60)
        watched.wait_idle(process)
        texts, afterwards = [shown("docs/worm.md", "lockstep-watcher verify").script()], []
        for line in shown("docs/operations.md", "systemctl status").script().splitlines():
            if line.startswith("lockstep-watcher forget"):  # of a stopped watcher
                afterwards.append(line)
            elif line.split()[0] not in LEFT_OUT:
                texts.append(line.replace("FILE...", "/var/lib/lockstep/watcher/evidence.jsonl"))
        done = typed(simulator, tmp_path, "\n".join(["set -x", *texts]))
    assert done.returncode == 0, done.stdout
    stopped = typed(simulator, tmp_path, "\n".join(afterwards))
    assert stopped.returncode == 0, stopped.stdout
    assert "checkpoint snapshots were deleted." in stopped.stdout
    for words in (
        "All as recorded.",
        "Nothing has failed.",
        "locked since start",
        "oldest:",
        "1 lines verified",
    ):
        assert words in done.stdout, done.stdout


def _lock_manager(simulator: Simulator, place: Path) -> list[str]:
    """Return the command of a lock manager that has closed a file."""
    settings = configuration(simulator, place)
    Records(settings["audit_file"]).write([{"event": "asked", "closing": "1", "handles": 1}])
    config = place / "lock_manager.yml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return _command("lock_manager", str(config))


def _command(name: str, config: str) -> list[str]:
    library = f"PYTHONPATH={core_environment()['PYTHONPATH']}"
    main = f"qumulo_core.{name}.main"
    return ["env", library, sys.executable, "-m", main, "--config", config]


# -- roles --------------------------------------------------------------------------------------


#: Instead of a host: keeps what a role would configure there.
_HOST = """
- ansible.builtin.copy:
    content: "{{ item.value }}"
    dest: "{{ shown_in }}/{{ item.key }}"
    mode: "0600"
  loop: "{{ files | dict2items | rejectattr('value', 'falsy') }}"
  no_log: true
  vars:
    files: "{{ _service_public_files | combine(_service_secrets) }}"
- ansible.builtin.template:
    src: config.yml.j2
    dest: "{{ shown_in }}/config.yml"
    mode: "0600"
"""


def test_roles_are_used_as_shown(simulator: Simulator, tmp_path: Path) -> None:
    """The roles run up to what needs a host, and services take what they configure.

    Argument specs are validated by Ansible. Mount and rsyslog are left out.
    """
    furnish(simulator, tmp_path)
    roles = copied_tree(tmp_path / "tree") / "roles"
    (roles / "_service/tasks/main.yml").write_text(_HOST)
    (roles / "atime/tasks/sync_present.yml").write_text(
        "- ansible.builtin.include_tasks: service.yml\n"
    )
    (tmp_path / "certificates").mkdir()
    create(tmp_path / "certificates", ["127.0.0.1"])
    pem = (tmp_path / "certificates" / "server.pem").read_text()
    (tmp_path / "qumulo-ca.pem").write_text(Path(simulator.ca_file).read_text())
    (tmp_path / "locks.crt").write_text(pem)
    variables = {
        "vault_watcher_token": (tmp_path / "token").read_text(),
        "vault_atime_token": (tmp_path / "token").read_text(),
        "vault_atime_password": simulator.password(),
        "vault_locks_key": pem,
        "watcher_port": simulator.port,
    }
    (tmp_path / "variables.json").write_text(json.dumps(variables))
    plays = []
    for number, block in enumerate(ROLES):
        (tmp_path / str(number)).mkdir()
        for each in yaml.safe_load(local(block.text, simulator, tmp_path)):
            each["vars"] = {"shown_in": str(tmp_path / str(number))}
            plays.append(each)
    here = {"ansible_connection": "local", "ansible_become": False}
    inventory = {each["hosts"]: {"hosts": {"host-1": here}} for each in plays}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    done = play(
        simulator,
        tmp_path,
        yaml.safe_dump(plays, sort_keys=False),
        *("-i", str(tmp_path / "inventory.yml"), "-e", f"@{tmp_path / 'variables.json'}"),
        ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "tree"),
        ANSIBLE_GATHERING="explicit",  # nothing here goes by facts of the host
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Validating arguments against arg spec") >= 2 * len(ROLES)
    for number, block in enumerate(ROLES):
        (role,) = block.data()[0]["roles"]
        check(role["role"].rpartition(".")[2], tmp_path / str(number))
    number = ROLES.index(shown("docs/worm.md", "- hosts: watchers"))
    try_out(shown("docs/worm.md", "lockstep-watcher --check"), tmp_path / str(number))


def check(service: str, place: Path) -> str:
    """See that a service takes a configuration; return what it says of it."""
    path = place / "config.yml"
    text = path.read_text(encoding="utf-8")
    unit = f"lockstep-{service.replace('_', '-')}.service"
    for there in (f"/etc/lockstep/{service}", f"/run/credentials/{unit}"):
        text = text.replace(there, str(place))
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", f"qumulo_core.{service}.main", "--check", "--config", str(path)],
        env={**core_environment(), "CREDENTIALS_DIRECTORY": str(place)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return done.stdout


def try_out(block: Block, place: Path) -> None:
    """Do what a guide says is to be done before a watcher starts for the first time."""
    first, second = block.script().split("\n", 1)
    assert first == "lockstep-watcher --check"
    assert "invoices" in check("watcher", place)
    command, option = second.split()
    assert command == "lockstep-watcher"
    with start_service(
        *("watcher", option, "--config", str(place / "config.yml")),
        environment={"CREDENTIALS_DIRECTORY": str(place)},
    ) as process:
        process.wait_ready()
        wait_for(lambda: process.status.startswith("following") or not process.running)
        assert process.running and "dry run" in process.output(), process.output()


# -- configurations of others -------------------------------------------------------------------


def test_configurations_of_the_lock_manager_are_accepted(
    simulator: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "certificates").mkdir()
    create(tmp_path / "certificates", ["127.0.0.1"])
    pem = tmp_path / "certificates" / "server.pem"
    whole: dict[str, Any] = {}
    configurations = [
        b
        for b in BLOCKS
        if b.key[0] == "docs/lock_manager.md" and b.language == "yaml" and not b.is_roles
    ]
    for block in configurations:
        text = local(block.text, simulator, tmp_path)
        data = yaml.safe_load(re.sub(r"/etc/lockstep/lock_manager/locks\.\w+", str(pem), text))
        whole = whole or data
        # The second one is about a few settings of the whole.
        needed = {name: whole[name] for name in ("cluster", "allowed_hosts")}
        (tmp_path / "config.yml").write_text(yaml.safe_dump({**needed, **data}))
        check("lock_manager", tmp_path)
    assert len(configurations) == 2
