# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples of the documentation: found, judged by what they are, and run on a simulated cluster."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT, linked_tree

GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Why a block is not run, in the line before it.
_MARK = re.compile(r"<!-- example: (\w+); [^>]+ -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block of a guide.

    :param mark: ``syntax`` or ``data`` if it says so itself
    """

    path: Path
    line: int
    language: str
    text: str
    mark: str

    @property
    def where(self) -> str:
        """Name for a person."""
        return f"{self.path.name}:{self.line}"

    def data(self) -> Any:
        """Its content as YAML."""
        return yaml.safe_load(self.text)

    @property
    def is_play(self) -> bool:
        """True for plays, False for tasks."""
        return "hosts" in self.data()[0]


def blocks(path: Path, language: str) -> list[Block]:
    """Return the blocks of a guide in a language."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        mark = _MARK.search(before)
        line = before.count("\n") + 1
        if match.group(1) == language:
            found.append(Block(path, line, language, match.group(2), mark.group(1) if mark else ""))
    return found


# -- the cluster that examples are about --------------------------------------------------------


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

    rest = RestClient(simulator.addresses[0], simulator.port, timeout=20)
    rest.login("admin", simulator.password())
    source = rest.fs.get_file_attr(path="/projects")["id"]
    for name, after in zip(("yesterday", "today"), AFTER):
        body = {"name_suffix": name, "source_file_id": source, "expiration": ""}
        rest.request("POST", "/v3/snapshots/", body=body)
        simulator.control("files/put", path=f"/projects/{after}")
    for name in ("mount", "backup", "bin"):
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
        "/etc/ssl/qumulo-ca.pem": simulator.ca_file,
        "/etc/ansible/qumulo.token": str(place / "token"),
        "/var/tmp/": f"{place}/",
        "/var/www/html/": f"{place}/",
        "/run/": f"{place}/",
        "/mnt/projects/": f"{place}/mount/",
        "/backup/projects": f"{place}/backup",
        "/usr/local/bin/archive": "/bin/cat",
        "poll: 60": "poll: 1",
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


def interpreter(place: Path) -> str:
    """Return an interpreter whose path has no space: Ansible does not quote it in async tasks."""
    python = os.environ.get("LOCKSTEP_HOST_PYTHON", sys.executable)
    if " " not in python:
        return python
    script = place / "python"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(python)} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return str(script)


def play(
    simulator: Simulator, place: Path, content: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook as a person does."""
    path = place / "playbook.yml"
    path.write_text(content, encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "QUMULO_"))}
    return subprocess.run(
        [str(PLAYBOOK), *options, str(path)],
        cwd=place,
        env={
            **kept,
            **simulator.environment(),
            "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
            "ANSIBLE_PYTHON_INTERPRETER": interpreter(place),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",  # quicker
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def recap(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return the numbers of the last line."""
    lines = [line for line in done.stdout.splitlines() if re.match(r"localhost\s+:", line)]
    assert lines, done.stdout + done.stderr
    return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", lines[-1])}
