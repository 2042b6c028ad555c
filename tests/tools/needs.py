# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each step needs of the machine besides the packages that README names."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .log import StepError

_HOSTS = {
    "podman": "podman",
    "runc": "runc",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh-keygen": "openssh-client",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}
#: What shows the pages.
BROWSER = {
    "chromium": "chromium",
    "libatomic.so.1": "libatomic1",  # Playwright's own Node.js is linked to it
}
#: Step -> command, library or pattern of files -> the Debian package that it is in.
NEEDS: dict[str, dict[str, str]] = {
    "pytest": {
        **BROWSER,
        "npm": "npm",  # fetches axe-core
        "rsync": "rsync",  # the playbook that copies
        "rsyslogd": "rsyslog",
        "/usr/lib/*/rsyslog/omrelp.so": "rsyslog-relp",
    },
    "eda": {"java": "default-jre-headless"},  # runs the rule engine
    "integration": {"ssh-keygen": "openssh-client"},  # ansible-test makes a key at each start
    "image": _HOSTS,
    "hosts": _HOSTS,
    "nfs": {
        **_HOSTS,
        "qemu-system-x86_64": "qemu-system-x86",
        "cpio": "cpio",
        "mkfs.ext4": "e2fsprogs",
        "ganesha.nfsd": "nfs-ganesha",
        "/usr/lib/*/ganesha/libfsalvfs.so": "nfs-ganesha-vfs",
    },
}
#: Seconds to wait while another process has apt's locks.
_PATIENCE = 300
#: Failures of an update that no other process explains, and seconds between two tries.
_FAILURES, _PAUSE = 3, 2.0
_LISTS_LOCK = Path("/var/lib/apt/lists/lock")

Run = Callable[[Sequence[str]], object]

_one_at_a_time = threading.Lock()
_lists: list[str] = []


def missing(step: str) -> dict[str, str]:
    """What a step needs and this machine does not have, with the packages."""
    return lacking(NEEDS.get(step, {}))


def lacking(wanted: dict[str, str]) -> dict[str, str]:
    """Those of some commands, libraries and files that this machine does not have."""
    return {name: package for name, package in wanted.items() if not _is_here(name)}


def _is_here(name: str) -> bool:
    if name.startswith("/"):
        return any(Path("/").glob(name.lstrip("/")))
    if ".so." in name:
        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True
    return find(name) is not None


def find(command: str) -> str | None:
    """Return the path of a command, also where only root's PATH leads; None if it is not there."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which(command, path=path)


def provide(step: str, run: Run) -> dict[str, str]:
    """Install what a step needs; return what is missing all the same.

    :param run: runs a command, and raises if it fails.
    """
    with _one_at_a_time:  # steps run beside each other
        absent = missing(step)
        if not absent or os.geteuid() != 0 or shutil.which("apt-get") is None:
            return absent
        try:
            install(sorted(set(absent.values())), run)
        except (StepError, subprocess.SubprocessError):
            pass  # the log says why; what is missing now counts
        return missing(step)


def install(packages: Sequence[str], run: Run) -> None:
    """Install Debian packages, as root; wait for others that have apt's locks."""
    update(run)
    run([*_apt("install", "--yes", "--no-install-recommends"), *packages])


def update(run: Run) -> None:
    """Have apt's lists up to date, once in a run."""
    if _lists:
        return
    until = time.monotonic() + _PATIENCE
    failures = 0
    while True:
        try:
            run(_apt("update"))
        except (StepError, subprocess.SubprocessError):
            # DPkg::Lock::Timeout is not for this lock. It may have been let go meanwhile.
            failures += not _is_locked(_LISTS_LOCK)
            if failures >= _FAILURES or time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
        else:
            _lists.append("up to date")
            return


def _apt(*arguments: str) -> list[str]:
    settings = ["--quiet", "-o", f"DPkg::Lock::Timeout={_PATIENCE}"]
    return ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *settings, *arguments]


def _is_locked(path: Path) -> bool:
    try:
        with open(path, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def sentence(who: str, absent: dict[str, str]) -> str:
    """Say what a step needs and where that is."""
    named = [f"{name} (package {package})" for name, package in absent.items()]
    listed = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
    packages = " ".join(sorted(set(absent.values())))
    return f"{who} needs {listed}: run 'apt-get install {packages}' as root"
