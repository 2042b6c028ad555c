# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service tells systemd (sd_notify(3)): ready, status, alive, reloading, stopping."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Speaks to the supervisor, if there is one.

    :param environment: where systemd says where it listens.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        self._status = ""
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.watchdog = _watchdog_interval(environment)

    def _send(self, *lines: str) -> None:
        sender = self._socket  # threads send, and the main one closes it
        if sender is None:
            return
        try:
            sender.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            pass  # a supervisor that does not listen must not stop the work

    def ready(self) -> None:
        """Say that the service does its work (also: again, after a reload)."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Show a line in ``systemctl status``; the same line is sent once."""
        text = " ".join(text.split())
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the configuration is read again; :meth:`ready` ends that."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """Return the seconds after which systemd loses its patience, or None."""
    try:
        micros = int(environment.get("WATCHDOG_USEC", ""))
        pid = int(environment.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return micros / 1e6 if micros > 0 and pid == os.getpid() else None
