# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real NFS server in user space, on loopback ports of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.services import wait_for

_LIMIT = 60.0  # seconds for a start or a stop
#: Seconds after which it ends even if nobody is left to end it.
_LIFETIME = 3600
EXPORT = "/export"
#: It has places under /run and /var/lib that can not be chosen: it gets empty ones that only it
#: sees, and that are gone with it. It does not start without a port mapper to register with: it
#: gets one that listens on a socket there, and on no port.
_APART = """
mount -t tmpfs none /run && mount -t tmpfs none /var/lib/nfs || exit 1
mkdir -p /run/ganesha /run/rpcbind /var/lib/nfs/ganesha
echo "local tpi_cots_ord - loopback - - -" > /run/netconfig
mount --bind /run/netconfig /etc/netconfig || exit 1
timeout --foreground "$0" rpcbind -f &
tries=0
until [ -S /run/rpcbind.sock ] || [ $tries = 100 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
umount /etc/netconfig
exec timeout --foreground --kill-after=10 "$0" "$@"
"""


class Ganesha:
    """An NFS server (versions 3 and 4) that exports one directory.

    :param directory: an own directory for its files.
    :param exported: what it exports as :data:`EXPORT`; clients are who they say they are.
    """

    def __init__(self, directory: Path, exported: Path) -> None:
        self._directory = directory
        self._exported = exported
        self._process: subprocess.Popen[bytes] | None = None
        #: Ports of 127.0.0.1, the same after each start.
        self.port, self.mount_port = free_ports(2)

    @property
    def configuration(self) -> str:
        """The configuration: no port but those two, and no time of grace."""
        return f"""
NFS_CORE_PARAM {{
    Protocols = 3, 4;
    NFS_Port = {self.port};
    MNT_Port = {self.mount_port};
    Bind_addr = 127.0.0.1;
    Enable_NLM = false;
    Enable_RQUOTA = false;
    Enable_UDP = false;
    mount_path_pseudo = true;
}}
NFSV4 {{
    Graceless = true;
    Minor_Versions = 1, 2;
    RecoveryBackend = fs;
    Delegations = false;
    Only_Numeric_Owners = true;
}}
EXPORT {{
    Export_Id = 1;
    Path = {self._exported};
    Pseudo = {EXPORT};
    Access_Type = RW;
    Squash = No_Root_Squash;
    SecType = sys;
    Protocols = 3, 4;
    Transports = TCP;
    FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = EVENT; }}
"""

    def start(self) -> None:
        """Start it.

        :raises RuntimeError: it does not come up.
        """
        config = self._directory / "ganesha.conf"
        config.write_text(self.configuration, encoding="utf-8")
        log = self._directory / "ganesha.log"
        server = ["ganesha.nfsd", "-F", "-f", str(config), "-L", str(log)]
        server += ["-p", str(self._directory / "ganesha.pid")]
        apart = ["unshare", "--mount", "--propagation", "private"]
        self._process = subprocess.Popen(
            [*apart, "sh", "-c", _APART, str(_LIFETIME), *server],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for(self._listens, _LIMIT)
        except (RuntimeError, TimeoutError) as exc:
            self.stop()
            said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            raise RuntimeError(f"the NFS server does not come up: {said[-4000:]}") from exc

    def _listens(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("it has ended")
        for port in (self.port, self.mount_port):
            try:
                socket.create_connection(("127.0.0.1", port), _LIMIT).close()
            except ConnectionError:
                return False
        return True

    def stop(self) -> None:
        """End it: who asks now is refused."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(_LIMIT)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait(_LIMIT)
        self._process = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """It is there for the time of a block."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody is there for the time of a block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes requests and answers none for the time of a block."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and what runs with it: they are a session of their own."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
