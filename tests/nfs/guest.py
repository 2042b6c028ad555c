# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that runs: a virtual machine without hardware support, reached over ssh."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.tools.services import wait_for

from .image import ADDRESS, Image, pack

#: Seconds for a boot, and for a single command in the guest: every instruction is emulated.
_BOOT, _COMMAND = 240.0, 180.0
#: Seconds after which it ends even if nobody is left to end it.
_LIFETIME = 3600
_CORES, _MEMORY = 2, 1024


class Guest:
    """A virtual machine with a systemd of its own.

    :param directory: an own directory for its files; its path must be short.
    :param ssh_port: port of 127.0.0.1 that leads to its ssh.
    """

    def __init__(
        self, directory: Path, process: subprocess.Popen[bytes], log: Path, ssh_port: int
    ) -> None:
        self._directory = directory
        self._process = process
        self._log = log
        self._ssh_port = ssh_port

    @property
    def ssh_options(self) -> list[str]:
        """Options with which ssh knows the guest, and the guest knows who comes."""
        chosen = {
            "Port": str(self._ssh_port),
            "User": "root",
            "IdentityFile": str(self._directory / "key"),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self._directory / "known_hosts"),
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "ServerAliveInterval": "15",
            "ControlMaster": "auto",
            "ControlPersist": "60",
            "ControlPath": str(self._directory / "ssh"),
        }
        options = ["-F", "none"]
        for name, value in chosen.items():
            options += ["-o", f"{name}={value}"]
        return options

    def try_run(self, command: str, timeout: float = _COMMAND) -> subprocess.CompletedProcess[str]:
        """Run a command line of the shell in the guest."""
        return subprocess.run(
            ["ssh", *self.ssh_options, "127.0.0.1", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def run(self, command: str, timeout: float = _COMMAND) -> str:
        """Run a command line of the shell in the guest; return what it printed.

        :raises RuntimeError: it failed.
        """
        done = self.try_run(command, timeout)
        if done.returncode:
            raise RuntimeError(f"{command}: {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def wait_up(self) -> None:
        """Wait until it has booted, as its systemd sees it.

        :raises RuntimeError: it never does.
        """

        def up() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError("it has ended")
            try:
                return self.try_run("true", 30).returncode == 0
            except subprocess.TimeoutExpired:
                return False

        try:
            wait_for(up, _BOOT)
        except (RuntimeError, TimeoutError) as exc:
            said = self._log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"the guest does not come up ({exc}): {said[-4000:]}") from exc

    def lose_power(self) -> None:
        """Let it boot anew, without an end of what ran, and wait until it has.

        Its disk is as it was; what was written long before is on it.
        """
        before = self._boot_id()
        # The connection ends before an answer comes.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.try_run("sync --file-system / && echo b > /proc/sysrq-trigger", 20)
        self._forget_connection()

        def another() -> bool:
            with contextlib.suppress(subprocess.TimeoutExpired, RuntimeError):
                return self._boot_id() != before
            return False

        wait_for(another, _BOOT)

    def _boot_id(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id", 30)

    def _forget_connection(self) -> None:
        subprocess.run(
            ["ssh", *self.ssh_options, "-O", "exit", "127.0.0.1"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )

    def close(self) -> None:
        """End it at once; nothing of it stays."""
        self._forget_connection()
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def booted(image: Image, directory: Path, ssh_port: int, ports: Sequence[int]) -> Iterator[Guest]:
    """A guest for the time of a block.

    :param ssh_port: port of 127.0.0.1 that leads to the guest's ssh.
    :param ports: ports of 127.0.0.1 that lead to the same ports of the guest.
    """
    keys = directory / "initrd" / "keys"
    keys.mkdir(parents=True)
    for name in ("key", "host_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", directory / name],
            check=True,
            timeout=60,
        )
    shutil.copy(directory / "key.pub", keys / "authorized_keys")
    shutil.copy(directory / "host_key", keys / "ssh_host_ed25519_key")
    public = " ".join((directory / "host_key.pub").read_text(encoding="ascii").split()[:2])
    known = f"[127.0.0.1]:{ssh_port} {public}\n"
    (directory / "known_hosts").write_text(known, encoding="ascii")
    added, initrd = directory / "keys.cpio", directory / "initrd.both"
    pack(keys.parent, added)
    initrd.write_bytes(image.initrd.read_bytes() + added.read_bytes())
    log = directory / "console.log"
    forwards = [f"hostfwd=tcp:127.0.0.1:{ssh_port}-{ADDRESS}:22"]
    forwards += [f"hostfwd=tcp:127.0.0.1:{port}-{ADDRESS}:{port}" for port in ports]
    command = [
        *("timeout", "--foreground", "--kill-after=10", str(_LIFETIME)),
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max"),
        *("-smp", str(_CORES), "-m", str(_MEMORY), "-nodefaults", "-display", "none"),
        *("-monitor", "none", "-serial", f"file:{log}"),
        *("-kernel", str(image.kernel), "-initrd", str(initrd), "-append"),
        "console=ttyS0 panic=-1 mitigations=off net.ifnames=0 quiet",
        # What is written to the disk is kept aside, and gone at the end.
        *("-drive", f"file={image.disk},if=virtio,format=raw,snapshot=on"),
        *("-netdev", f"user,id=net,{','.join(forwards)}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
    ]
    with open(directory / "qemu.log", "wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
    guest = Guest(directory, process, log, ssh_port)
    try:
        guest.wait_up()
        yield guest
    finally:
        guest.close()
