# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook without the time that it takes to load Ansible.

A process loads Ansible once. Each run is a fork of it, so that runs share nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SERVER = """
import json, os, sys
from ansible.cli.playbook import PlaybookCLI
import ansible.executor.task_executor, ansible.plugins.strategy.linear

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = 99
        try:
            PlaybookCLI.cli_executor(["ansible-playbook", *order["arguments"]])
            code = 0
        except SystemExit as exc:
            code = exc.code or 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Played:
    """A run that has ended."""

    code: int
    output: str


class QuickPlays:
    """Runs ansible-playbook."""

    def __init__(self, server: subprocess.Popen[str], place: Path) -> None:
        self._server = server
        self._place = place

    def run(self, *arguments: str) -> Played:
        """Run it with arguments; return how it ended."""
        assert self._server.stdin is not None and self._server.stdout is not None
        path = self._place / "output"
        order = {"arguments": arguments, "output": str(path)}
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return Played(code, path.read_text(encoding="utf-8", errors="replace"))


@contextmanager
def quick_plays(environment: Mapping[str, str], place: Path) -> Iterator[QuickPlays]:
    """The means to run ansible-playbook, for the time of a block."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        cwd=place,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield QuickPlays(server, place)
    finally:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.close()
        server.wait(60)
        server.stdout.close()
