# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of the test hosts: a minimal Debian with systemd, made once from Debian's packages."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.tools import needs

HERE = Path(__file__).resolve().parent
REPOSITORY = "localhost/lockstep-qumulo-host"
#: What a server has before a role comes; rsyslog's own modules are for the role to install.
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "logrotate",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "python3-venv",
    "rsyslog",
    "rsyslog-gnutls",
    "rsyslog-relp",
    "sudo",
    "systemd",
    "systemd-sysv",
)
#: Units that make no sense in a container and would keep systemd from the state "running".
MASKED = ("run-rpc_pipefs.mount", "systemd-logind.service", "getty.target", "apt-daily.timer")
LIMIT = 900  # seconds for one command

Run = Callable[[Sequence[str]], None]


class Unavailable(Exception):
    """Test hosts can not be had on this machine; the message says why and what would help."""


def environment() -> dict[str, str]:
    """Environment in which podman works on a machine with few capabilities."""
    return {**os.environ, "CONTAINERS_CONF": str(HERE / "containers.conf")}


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run podman and return what it printed.

    :raises RuntimeError: it failed; with what it said
    """
    done = subprocess.run(
        ["podman", *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if check and done.returncode:
        raise RuntimeError(f"podman {' '.join(arguments)}: {done.stderr.strip()}")
    return done


def check_machine() -> None:
    """Tell whether this machine can have test hosts.

    :raises Unavailable: it can not
    """
    if os.geteuid() != 0:
        raise Unavailable("test hosts need root (to make an image and networks): run as root")
    if shutil.which("apt-get") is None:
        lacking = needs.missing("hosts")
        if lacking:
            raise Unavailable(f"{needs.sentence('hosts', lacking)}; apt-get is not here")
    if not Path("/sys/fs/cgroup").is_mount():
        raise Unavailable("test hosts need control groups, which are not mounted here")


def tag() -> str:
    """Name of the image; it changes with all that the image is made of."""
    release, mirror = _release()
    made_of = [Path(__file__).read_text(encoding="utf-8"), release, mirror]
    return f"{REPOSITORY}:{hashlib.sha256(repr(made_of).encode()).hexdigest()[:12]}"


def build(run: Run) -> str:
    """Return the image's name; make it if it is not there.

    :raises Unavailable: this machine can not make it
    """
    check_machine()
    lacking = needs.provide("hosts", run)
    if lacking:
        raise Unavailable(needs.sentence("hosts", lacking))
    name = tag()
    if podman("image", "exists", name, check=False).returncode == 0:
        return name
    release, mirror = _release()
    with tempfile.TemporaryDirectory(prefix="lockstep-image-") as place:
        root = Path(place) / "root"
        run(
            [
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                release,
                str(root),
                mirror,
            ]
        )
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
        run(["chroot", str(root), "systemctl", "mask", *MASKED])
        for unique in ("etc/machine-id", "var/lib/dbus/machine-id"):
            (root / unique).unlink(missing_ok=True)
        (root / "etc/machine-id").touch()
        archive = Path(place) / "root.tar"
        run(["tar", "--directory", str(root), "--create", "--file", str(archive), "."])
        podman("import", "--change", "CMD /sbin/init", str(archive), name)
    _remove_older(name)
    return name


def _remove_older(name: str) -> None:
    """Remove images of earlier recipes, unless a host still runs on one."""
    listed = podman("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY).stdout
    for other in listed.split():
        if other != name:
            podman("image", "rm", other, check=False)


def _release() -> tuple[str, str]:
    """Return the release of this machine's Debian, and the first mirror of its sources.

    :raises Unavailable: it is no Debian, or has no sources
    """
    try:
        facts = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError as exc:
        raise Unavailable(f"this system does not say what it is ({exc})") from exc
    found = re.search(r"^VERSION_CODENAME=(\w+)$", facts, re.MULTILINE)
    if found is None or not re.search(r"^ID=debian$", facts, re.MULTILINE):
        raise Unavailable("test hosts are Debian, of the release of this machine, which is none")
    for sources in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if sources.is_file():
            text = sources.read_text(encoding="utf-8")
            mirror = re.search(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(\S+)", text, re.MULTILINE)
            if mirror is not None:
                return found.group(1), mirror.group(1).rstrip("/")
    raise Unavailable("apt has no sources here, from which test hosts could be made")
