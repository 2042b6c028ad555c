# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated cluster furnished as the documentation has it, and a person who works with it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.simulator.harness import Simulator
from tests.tools.environment import clean_environment
from tests.tools.tree import linked_tree

PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
#: Files that come to /projects after the snapshots.
AFTER = ("of today", "of tomorrow")


def furnish(simulator: Simulator, place: Path) -> None:
    """Put what the examples name on the cluster, a token into a file, and mount what is copied."""
    for path in (
        "/finance/Budget 2026.xlsx",
        "/legal/contract.pdf",
        "/legal/mail.pst",
        "/legal/held/letter.pdf",
        "/projects/apollo/plan.pdf",
        "/projects/apollo/deep/~$plan.docx",
        "/archive/invoices/1.pdf",
    ):
        simulator.control("files/put", path=path, content=path)
    for user, path, address in (
        ("CORP\\jane", "/finance/Budget 2026.xlsx", "10.1.2.9"),
        ("CORP\\jane", "/projects/apollo/plan.pdf", "10.1.2.3"),
        ("CORP\\backup", "/projects/apollo/plan.pdf", "10.1.2.4"),
    ):
        simulator.control("smb/open", user=user, path=path, address=address)
    from qumulo.rest_client import RestClient

    rest = RestClient(simulator.addresses[0], simulator.port, timeout=120)
    rest.login("admin", simulator.password())
    source = rest.fs.get_file_attr(path="/projects")["id"]
    for name, after in zip(("yesterday", "today"), AFTER):
        body = {"name_suffix": name, "source_file_id": source, "expiration": ""}
        rest.request("POST", "/v3/snapshots/", body=body)
        simulator.control("files/put", path=f"/projects/{after}")
    for name in ("mount", "backup", "bin", "lists"):
        (place / name).mkdir()
    for name in ("apollo/plan.pdf", "apollo/deep/~$plan.docx", *AFTER):
        (place / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "mount" / name).write_text(name)
    (place / "gone").write_bytes(b"apollo\0")
    body = {"user": {"name": "admin"}}
    token = rest.request("POST", "/v1/auth/access-tokens/", body=body)["bearer_token"]
    (place / "token").write_text(token)


def local(text: str, simulator: Simulator, place: Path) -> str:
    """Let an example speak of the simulated cluster and of a place of its own."""
    here = {
        "[10.0.0.11, 10.0.0.12, 10.0.0.13]": json.dumps(simulator.addresses),
        "[10.0.0.11, 10.0.0.12]": json.dumps(simulator.addresses),
        "10.0.0.11,10.0.0.12,10.0.0.13": ",".join(simulator.addresses),
        "--host 10.0.0.11 ": f"--host {simulator.addresses[0]} ",
        "/etc/ssl/qumulo-ca.pem": simulator.ca_file,
        "~/.ansible/collections": str(linked_tree()),
        "/etc/ansible/qumulo.token": str(place / "token"),
        "/var/tmp/": f"{place}/",
        "/var/www/html/": f"{place}/",
        "/run/": f"{place}/",
        "/mnt/projects": f"{place}/mount",
        "/backup/projects": f"{place}/backup",
        "/usr/local/bin/archive": "/bin/cat",
        "127.0.0.2,127.0.0.3": ",".join(simulator.addresses),
        "QUMULO_PORT=...": f"QUMULO_PORT={simulator.port}",
        "QUMULO_CA_PATH=...": f"QUMULO_CA_PATH={simulator.ca_file}",
        "/srv/lists": f"{place}/lists",
        "/var/lib/lockstep/watcher/": f"{place}/",
        "poll: 60": "poll: 1",
        "quiet: 1h": "quiet: 1s",  # of the event source
        "/tmp/": f"{place}/",
    }
    return re.sub("|".join(map(re.escape, here)), lambda found: here[found.group()], text)


def playbook(texts: Sequence[str]) -> str:
    """Join blocks of tasks and plays, in their order, to one playbook."""
    plays = []
    for text in texts:
        data = yaml.safe_load(text)
        if "hosts" in data[0]:
            plays.extend(data)
        else:
            plays.append({"hosts": "localhost", "gather_facts": False, "tasks": data})
    return yaml.safe_dump(plays, sort_keys=False)


def interpreter(place: Path, python: str) -> str:
    """Return an interpreter whose path has no space: Ansible does not quote it in async tasks."""
    if " " not in python:
        return python
    script = place / "python"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(python)} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return str(script)


def environment(simulator: Simulator, place: Path, python: Path | None = None) -> dict[str, str]:
    """Environment of a person who has the collection, and a simulated cluster.

    :param python: the interpreter that runs modules, if it is another one
    """
    chosen = str(python or os.environ.get("LOCKSTEP_HOST_PYTHON", sys.executable))
    kept = clean_environment()
    return {
        **kept,
        **simulator.environment(),
        "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        "ANSIBLE_PYTHON_INTERPRETER": interpreter(place, chosen),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_PIPELINING": "true",  # quicker
        "STATE_DIRECTORY": str(place / "state"),  # else root's would be that of this host
    }


def play(
    simulator: Simulator,
    place: Path,
    content: str,
    *options: str,
    python: Path | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run a playbook as a person does.

    :param python: the interpreter that runs modules, if it is another one
    :param variables: of the environment, in addition
    """
    path = place / "playbook.yml"
    path.write_text(content, encoding="utf-8")
    if python is not None:
        # Of the implicit localhost only this variable chooses the interpreter of modules.
        given = {"ansible_python_interpreter": interpreter(place, str(python))}
        options += ("-e", json.dumps(given))
    return subprocess.run(
        [str(PLAYBOOK), *options, str(path)],
        cwd=place,
        env={**environment(simulator, place, python), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


# -- what is typed ------------------------------------------------------------------------------


def stand_in(place: Path, name: str, *command: object) -> None:
    """Let a command be another one, whose first arguments are given."""
    script = place / "bin" / name
    words = " ".join(shlex.quote(str(word)) for word in command)
    script.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    script.chmod(0o755)


def typed(
    simulator: Simulator, place: Path, script: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run what a person types, up to the first error.

    Where a command needs to be told of the simulated cluster, a stand-in does it.
    """
    stand_in(place, "ansible-playbook", PLAYBOOK)
    stand_in(place, "mountpoint", "/bin/true", "--")  # what is copied is no real mount
    qq = ["--host", simulator.addresses[0], "--port", simulator.port]
    qq += ["--credentials-store", place / "credentials"]
    stand_in(place, "qq", PLAYBOOK.parent / "qq", *qq)
    path = [place / "bin", PLAYBOOK.parent, os.environ["PATH"]]
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", local(script, simulator, place)],
        cwd=place,
        env={
            **environment(simulator, place),
            "PATH": os.pathsep.join(map(str, path)),
            **variables,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )


def recap(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return the numbers of the last line."""
    lines = [line for line in done.stdout.splitlines() if re.match(r"localhost\s+:", line)]
    assert lines, done.stdout + done.stderr
    return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", lines[-1])}
