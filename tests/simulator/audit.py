# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: one RFC 5424 line over TCP for every operation on the file system."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable

from .identities import Identity
from .messages import Json
from .model import Clock, rfc3339

QUEUE_BOUND = 1_000_000
_RETRY = 0.2  # seconds


def syslog_line(
    now_ns: int,
    host: str,
    form: str,
    *,
    address: str,
    user: Identity,
    protocol: str,
    operation: str,
    status: str,
    file_id: int | None,
    path: str,
    target: str,
) -> bytes:
    """One line, with its newline, in CSV or JSON ("Qumulo administrator guide", audit logging)."""
    if form == "csv":
        body = ",".join(
            [
                address,
                f'"{user.name}"',
                protocol,
                operation,
                status,
                "" if file_id is None else str(file_id),
                _quoted(path),
                _quoted(target),
            ]
        )
    else:
        details: Json = {"path": path}
        if target:
            details["target"] = target
        if file_id is not None:
            details["file_id"] = str(file_id)
        body = json.dumps(
            {
                "user_ip": address,
                "user_id": {"name": user.name, "auth_id": str(user.auth_id), "sid": user.sid},
                "protocol": protocol,
                "operation": operation,
                "status": status,
                "details": details,
            },
            ensure_ascii=False,
        )
    head = f"<14>1 {_stamp(now_ns)} {host} qumulo - - - "
    return (head + body).encode("utf-8", "replace") + b"\n"


def _stamp(now_ns: int) -> str:
    """A time as lines have it: six digits of a fraction at most, and no zeros at its end."""
    whole, _dot, fraction = rfc3339(now_ns).rstrip("Z").partition(".")
    digits = fraction[:6].rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"


def _quoted(text: str) -> str:
    """In quotes; newlines are stripped and quotes doubled."""
    text = text.replace("\r", "").replace("\n", "").replace('"', '""')
    return f'"{text}"'


class AuditLog:
    """Sends lines to the configured receiver, and keeps them while it is away."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.config: Json = {
            "enabled": False,
            "server_address": "",
            "server_port": 514,
            "format": "csv",
            "local_enabled": False,
        }
        self.name = "syslog"
        self.cluster_name = "simulated"
        self.dropped = 0
        self.error = ""
        self._queue: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None
        self._connected = False

    def status(self) -> Json:
        """As `GET /v1/audit/syslog/status`."""
        if not self.config["enabled"]:
            state = "AUDIT_LOG_DISABLED"
        elif self._connected:
            state = "AUDIT_LOG_CONNECTED"
        else:
            state = "AUDIT_LOG_DISCONNECTED" if self.error else "AUDIT_LOG_CONNECTING"
        return {"connection_status": state, "error_message": self.error, "error_details": ""}

    def configure(self, changes: Json) -> None:
        """Take over changes and connect anew."""
        self.config.update(changes)
        self.stop()
        if self.config["enabled"]:
            self._wake = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._run(self._wake))

    def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._connected = False

    def record(self, node: int, make: Callable[..., bytes] = syslog_line, **facts: Json) -> None:
        """Queue a line, if there is a receiver."""
        if not self.config["enabled"]:
            return
        if len(self._queue) >= QUEUE_BOUND:
            self.dropped += 1
            return
        host = f"{self.cluster_name}-{node}"
        self._queue.append(make(self._clock.now_ns(), host, self.config["format"], **facts))
        if self._wake is not None:
            self._wake.set()

    async def _run(self, wake: asyncio.Event) -> None:
        while True:
            try:
                _reader, writer = await asyncio.open_connection(
                    self.config["server_address"], int(self.config["server_port"])
                )
            except OSError as error:
                self.error = str(error)
                await asyncio.sleep(_RETRY)
                continue
            self._connected, self.error = True, ""
            try:
                while True:
                    await wake.wait()
                    wake.clear()
                    while self._queue:
                        batch = [self._queue.popleft() for _ in range(min(500, len(self._queue)))]
                        writer.write(b"".join(batch))
                        await writer.drain()
            except OSError as error:
                self.error = str(error)
            finally:
                self._connected = False
                writer.close()
