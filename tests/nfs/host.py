# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest as a host of the role: its playbook, its mount, and the cluster that it serves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.simulator.harness import Simulator
from tests.simulator.timestamps import parse_ns
from tests.tools.services import wait_for
from tests.tools.tree import CACHE, ROOT, linked_tree

from .ganesha import EXPORT, Ganesha
from .guest import Guest
from .image import GATEWAY

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
DEFAULTS: dict[str, Any] = yaml.safe_load(
    (ROOT / "roles/atime/defaults/main.yml").read_text(encoding="utf-8")
)
#: Number of the service's account, by which the server decides what it may.
UID = 20017
#: When every file of a test was read and written last.
BEFORE_NS = 978_307_200_123_456_789
MOUNT: str = DEFAULTS["atime_mount_path"]
_PLAY, _WAIT = 900.0, 180.0  # seconds
_RECAP = re.compile(r"^guest +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0", re.MULTILINE)


@dataclass(frozen=True)
class Mounted:
    """A line of the guest's ``/proc/mounts``."""

    source: str
    fstype: str
    options: frozenset[str]


class Host:
    """A guest, an NFS server whose files it sees, and a simulated cluster that tells of readers.

    :param exported: what the server exports, as this machine sees it.
    :param variables: of the role, beside those that are chosen here.
    """

    def __init__(
        self,
        directory: Path,
        guest: Guest,
        server: Ganesha,
        exported: Path,
        simulator: Simulator,
        variables: Mapping[str, Any],
        collections: Path,
    ) -> None:
        self.guest, self.server, self.exported = guest, server, exported
        self._simulator = simulator
        self._collections = collections
        self._inventory = directory / "inventory.json"
        self._play = 0
        #: Variables with which the role was applied last; None while it is not.
        self._applied: dict[str, Any] | None = None
        known = {
            "ansible_host": "127.0.0.1",
            "ansible_python_interpreter": "/usr/bin/python3",
            "atime_mount_source": f"{GATEWAY}:{EXPORT}",
            "atime_mount_options": self.options(DEFAULTS["atime_mount_options"]),
            "atime_uid": UID,
            "atime_window": "1s",
            "atime_granularity": "1s",
            "atime_rsyslog_keep_raw": True,
            **variables,
        }
        inventory = {"all": {"hosts": {"guest": known}}}
        self._inventory.write_text(json.dumps(inventory), encoding="utf-8")

    def options(self, text: str) -> str:
        """Return options of a mount and the ports of the server, which no port mapper knows."""
        return f"{text},port={self.server.port},mountport={self.server.mount_port}"

    # -- the role -------------------------------------------------------------------------------

    def apply(self, **variables: Any) -> int:
        """Apply the role; return how many tasks have changed something.

        :raises RuntimeError: the playbook failed.
        """
        dropped = ("ANSIBLE_", "QUMULO_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        self._play += 1
        log = self._inventory.with_name(f"play-{self._play}.log")
        with open(log, "wb") as output:
            done = subprocess.run(
                [
                    *(str(BIN / "ansible-playbook"), "--diff", "-i", str(self._inventory)),
                    *("-e", json.dumps(variables), str(HERE / "apply.yml")),
                ],
                env={
                    **kept,
                    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
                    "ANSIBLE_COLLECTIONS_PATH": f"{linked_tree()}{os.pathsep}{self._collections}",
                    "ANSIBLE_HOME": str(CACHE / "ansible"),
                    "ANSIBLE_PIPELINING": "true",
                    "ANSIBLE_SSH_ARGS": " ".join(self.guest.ssh_options),
                    "ANSIBLE_TIMEOUT": "60",
                    "LC_ALL": "C.UTF-8",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_PLAY,
                check=False,
            )
        said = log.read_text(encoding="utf-8", errors="replace")
        found = _RECAP.search(said)
        if done.returncode or found is None:
            self._applied = None
            raise RuntimeError(f"ansible-playbook: {done.returncode}\n{said[-8000:]}")
        self._applied = None if variables.get("atime_state") == "absent" else variables
        return int(found.group(1))

    def have(self, **variables: Any) -> None:
        """Apply the role if it is not applied like that."""
        if self._applied != variables:
            self.apply(**variables)

    def have_any(self) -> None:
        """Apply the role if it is not applied in any way."""
        if self._applied is None:
            self.apply()

    # -- files ----------------------------------------------------------------------------------

    def files(self, directory: str, count: int, *, owner: int = UID) -> list[str]:
        """Make files on the server that nobody has used for years; return their paths there."""
        (self.exported / directory).mkdir(mode=0o755, exist_ok=True)
        paths = [f"/{directory}/file {number}" for number in range(count)]
        for path in paths:
            file = self.on_server(path)
            file.write_text(path, encoding="utf-8")
            os.chown(file, owner, owner)
            os.utime(file, ns=(BEFORE_NS, BEFORE_NS))
        return paths

    def on_server(self, path: str) -> Path:
        """Return the place of a path of the cluster in what the server exports."""
        return self.exported / path.lstrip("/")

    def access_time(self, path: str) -> int:
        """Return the access time of a file in nanoseconds, as the server has it."""
        return self.on_server(path).stat().st_atime_ns

    def seen_in_guest(self, path: str) -> tuple[str, str]:
        """Return the access and the modification time of a file, as the guest sees them."""
        access, modified = self.guest.run(f"stat -c '%.9X %.9Y' '{MOUNT}{path}'").split()
        return access, modified

    def read_by_somebody(self, paths: Iterable[str]) -> None:
        """Let the cluster tell that files were read."""
        self._simulator.wait(lambda state: state["audit"] == "AUDIT_LOG_CONNECTED", _WAIT)
        lines = [
            {"operation": "fs_read_data", "path": path, "user": "CORP\\jane"} for path in paths
        ]
        self._simulator.control("audit/record", lines=lines)

    def read_until_used(self, path: str) -> None:
        """Let the cluster tell again and again that a file was read, until it has another time.

        What a cluster writes to a host that has just died is lost; it notices by that.
        """
        deadline = time.monotonic() + _WAIT
        while self.access_time(path) == BEFORE_NS:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path}: {self.status()}\n{self.journal()}")
            self.read_by_somebody([path])
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: self.access_time(path) != BEFORE_NS, 10.0)

    def told(self) -> dict[str, int]:
        """Return the newest time of each path that the cluster has told of, in nanoseconds."""
        times: dict[str, int] = {}
        for line in self.guest.run("cat /var/log/lockstep/audit-*.log").splitlines():
            head, _blanks, body = line.partition(" - - - ")
            time_ns, path = parse_ns(head.split(" ")[1]), json.loads(body)["details"]["path"]
            times[path] = max(time_ns, times.get(path, 0))
        return times

    # -- the service ----------------------------------------------------------------------------

    def mounted(self) -> Mounted | None:
        """Return what is mounted where the role mounts the cluster."""
        for line in self.guest.run("cat /proc/mounts").splitlines():
            source, point, fstype, options, _dump, _pass = line.split(" ")
            if point == MOUNT:
                return Mounted(source, fstype, frozenset(options.split(",")))
        return None

    def status(self) -> dict[str, Any]:
        """Return what the syncer tells of itself; nothing while it does not run."""
        done = self.guest.try_run("/usr/local/bin/lockstep-atime status --json")
        found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return found

    def unit(self, name: str) -> str:
        """Return a property of the service's unit."""
        return self.guest.run(
            f"systemctl show lockstep-atime.service --property={name} --value"
        ).strip()

    def wait_status(self, **wanted: Any) -> dict[str, Any]:
        """Wait until the syncer tells certain facts; return all that it tells then."""
        found: dict[str, Any] = {}

        def met() -> bool:
            nonlocal found
            found = self.status()
            return all(found.get(name) == value for name, value in wanted.items())

        try:
            wait_for(met, _WAIT)
        except TimeoutError as exc:
            raise TimeoutError(f"{wanted}: {found}\n{self.journal()}") from exc
        return found

    def wait_used(self, paths: Iterable[str]) -> None:
        """Wait until all files have another access time than at first."""
        missing = list(paths)

        def used() -> bool:
            missing[:] = [path for path in missing if self.access_time(path) == BEFORE_NS]
            return not missing

        try:
            wait_for(used, _WAIT)
        except TimeoutError as exc:
            raise TimeoutError(f"{missing}: {self.status()}\n{self.journal()}") from exc

    def journal(self) -> str:
        """Return the end of what the service has logged."""
        return self.guest.try_run(
            "journalctl --unit=lockstep-atime.service --lines=30 --no-pager"
        ).stdout
