# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole state of the simulated cluster, and how a request is answered."""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from .audit import AuditLog
from .faults import Faults, Rule
from .http_server import Stream
from .identities import Identities
from .messages import Answer, ApiError, Json, Request, failure
from .model import Clock, FileSystem, Inode, ModelError
from .notify import Notifications
from .router import Route, Router
from .smb import Smb
from .validation import Validator

LOG_BOUND = 500_000
_BODY_BOUND = 4096
#: POST requests that change nothing.
_READS = re.compile(r"/v1/(session/login|files/resolve|identity/(find|expand)|dns/)")
_READ, _WRITE = 4, 2


class LogEntry(NamedTuple):
    """One request that came in."""

    number: int
    node: str
    user: str
    method: str
    uri: str
    status: int
    body: str

    @property
    def is_change(self) -> bool:
        """Whether the request asks for a change, done or not."""
        return self.method != "GET" and _READS.match(self.uri) is None


class Cluster:
    """One simulated cluster.

    :param router: its endpoints
    :param nodes: addresses of its nodes
    :param validator: looks at every answer, if there is one
    """

    def __init__(
        self, router: Router, nodes: list[str], *, validator: Validator | None = None
    ) -> None:
        self.router = router
        self.nodes = nodes
        self.validator = validator
        self.faults = Faults()
        self.audit = AuditLog(Clock())
        self.destinations: dict[int, AuditLog] = {}
        self._hub: Notifications | None = None
        self.reset()

    def reset(self) -> None:
        """Begin anew with an empty file system, the built-in users, and no faults."""
        if self._hub is not None:
            self._hub.drop_all()
        self.audit.stop()
        self.clock = Clock()
        self.fs = FileSystem(self.clock)
        self.identities = Identities(self.clock)
        self.smb = Smb(self.fs, self.identities)
        self._hub = self.notifications = Notifications(self.fs)
        self.audit = AuditLog(self.clock)
        for log in self.destinations.values():
            log.stop()
        self.destinations.clear()
        self.faults = Faults()
        self.atime: Json = {"enabled": False, "granularity": "DAY"}
        self.page_caps: dict[str, int] = {"entries": 10_000, "diff": 10_000}
        self.log: deque[LogEntry] = deque(maxlen=LOG_BOUND)
        self.requests = 0
        self.settings_revision = 1
        self.snapshot_revisions: dict[int, int] = {}
        self.locked_snapshots: dict[int, str] = {}
        #: what keeps a snapshot from being deleted; with False nothing shows it before
        self.snapshot_owners: dict[int, tuple[str, bool]] = {}

    # -- service of the listeners -----------------------------------------------------------

    def now_ns(self) -> int:
        """The cluster's time."""
        return self.clock.now_ns()

    def fault(self, request: Request) -> tuple[Rule | None, float]:
        """The fault for a request, and the latency of its answer in seconds."""
        return self.faults.strike(request.method, request.uri), self.faults.latency

    def refuse(self, request: Request, reply: Answer) -> None:
        """Note what a fault answered."""
        self._note(request, reply.status)

    def answer(self, request: Request) -> Answer | Stream:
        """Answer a request."""
        route: Route | None = None
        try:
            route = self.router.find(request)
            if not route.public:
                request.user, request.at_login = self.identities.authenticate(
                    request.headers.get("authorization", "")
                )
                if route.privilege is not None:
                    self.require(request, route.privilege)
            reply = route.handler(self, request)
            if self.validator is not None and isinstance(reply, Answer):
                self.validator.check(route.pattern, reply)
        except ApiError as error:
            reply = failure(error)
        except ModelError as error:
            reply = failure(ApiError(error.status, error.description, error.error_class))
        self._note(request, reply.status if isinstance(reply, Answer) else 200)
        return reply

    def _note(self, request: Request, status: int) -> None:
        self.requests += 1
        body = ""
        if request.method != "GET" and "session/login" not in request.uri:
            body = request.body[:_BODY_BOUND].decode("utf-8", "replace")
        user = request.user.name if request.user is not None else ""
        self.log.append(
            LogEntry(self.requests, request.node, user, request.method, request.uri, status, body)
        )

    # -- permissions ------------------------------------------------------------------------

    def require(self, request: Request, privilege: str) -> None:
        """Refuse a caller without the privilege.

        :raises ApiError: 403
        """
        if not self.identities.is_allowed(request.user, privilege, request.at_login):
            raise ApiError(403, f"{privilege} is required for this request.")

    def may_read(self, request: Request, inode: Inode) -> None:
        """Refuse a caller that may not read the file, by mode bits or privilege."""
        self._may(request, inode, _READ, "PRIVILEGE_FILE_READ_ACCESS")

    def may_write(self, request: Request, inode: Inode) -> None:
        """Refuse a caller that may not write the file, by mode bits or privilege."""
        self._may(request, inode, _WRITE, "PRIVILEGE_FILE_FULL_ACCESS")

    def _may(self, request: Request, inode: Inode, bit: int, privilege: str) -> None:
        user = request.user
        shift = 6 if inode.owner == user.auth_id else 3 if inode.group == 513 else 0
        if inode.mode >> shift & bit:
            return
        for enough in (privilege, "PRIVILEGE_FILE_FULL_ACCESS"):
            if self.identities.is_allowed(user, enough, request.at_login):
                return
        try:
            path = self.fs.path_of(inode.id)
        except ModelError:
            path = f"file {inode.id}"  # it is only in a snapshot
        raise ApiError(403, f"Access denied to {path}", "fs_access_denied_error")

    # -- small things that handlers share ---------------------------------------------------

    def note_audit(
        self, request: Request, operation: str, inode: Inode, path: str, target: str = ""
    ) -> None:
        """A line of the audit log for a REST request."""
        if self.destinations or self.audit.config["enabled"]:
            self.record_audit(
                self.nodes.index(request.node) + 1 if request.node in self.nodes else 1,
                address=request.peer,
                user=request.user,
                protocol="api",
                operation=operation,
                status="ok",
                file_id=inode.id,
                path=path,
                target=target,
            )

    def record_audit(self, node: int, **facts: Json) -> None:
        """A line of the audit log, to all who get it."""
        for log in (self.audit, *self.destinations.values()):
            log.record(node, **facts)

    def settings_etag(self) -> str:
        """What changes with every change of the settings."""
        return f'"{self.settings_revision}"'

    def touch_atime(self, inode: Inode) -> None:
        """What a read does to the access time where the cluster keeps it."""
        if not self.atime["enabled"]:
            return
        hours = {"HOUR": 1, "DAY": 24, "WEEK": 168}[self.atime["granularity"]]
        if self.clock.now_ns() - inode.access_time >= hours * 3600 * 1_000_000_000:
            self.fs.touch_access_time(inode.id)

    @staticmethod
    def check_etag(request: Request, etag: str) -> None:
        """Refuse a change that was meant for another state.

        :raises ApiError: 412
        """
        wanted = request.headers.get("if-match")
        if wanted is not None and wanted not in ("*", etag):
            raise ApiError(412, f"If-Match {wanted} does not match {etag}")
