# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API: what tests do to the cluster behind its back."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from .cluster import Cluster
from .faults import Rule
from .http_server import Listener
from .identities import Role
from .messages import Answer, ApiError, Json, Request, answer, failure
from .model import ModelError, rfc3339
from .smb import ByteRange
from .timestamps import parse_ns

NS = 1_000_000_000


class Control:
    """Answers on the control port, without a login; it listens on loopback alone."""

    def __init__(self, cluster: Cluster, listeners: list[Listener]) -> None:
        self._cluster = cluster
        self._listeners = listeners
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random(0)

    # -- service of the listener ------------------------------------------------------------

    def now_ns(self) -> int:
        """The cluster's time."""
        return self._cluster.now_ns()

    def fault(self, request: Request) -> tuple[Rule | None, float]:
        """There are no faults here."""
        del request
        return None, 0.0

    def refuse(self, request: Request, reply: Answer) -> None:
        """Nothing is refused by a fault."""

    def answer(self, request: Request) -> Answer:
        """Do what is asked: the path names a method, the JSON body its arguments."""
        name = "_".join(request.segments).replace("-", "_")
        method = getattr(self, f"do_{name}", None)
        try:
            if method is None:
                raise ApiError(404, f"the control API has no {request.uri}")
            arguments = request.query if request.method == "GET" else {}
            if request.body:
                arguments = request.object()
            try:
                result = method(**arguments)
            except (TypeError, ValueError, KeyError) as error:
                raise ApiError(400, f"{request.uri}: {error}") from error
            return answer({} if result is None else result)
        except ApiError as error:
            return failure(error)
        except ModelError as error:
            return failure(ApiError(error.status, error.description, error.error_class))

    # -- the cluster ------------------------------------------------------------------------

    def do_reset(self) -> None:
        """Begin anew; every node is up again."""
        self._cluster.reset()
        for listener in self._listeners:
            self._background(listener.start())

    def do_state(self) -> Json:
        """Numbers for conditions that tests wait for."""
        cluster = self._cluster
        return {
            "time": rfc3339(cluster.now_ns()),
            "requests": cluster.requests,
            "handles": cluster.smb.count,
            "streams": cluster.notifications.count,
            "overflows": cluster.notifications.overflows,
            "audit": cluster.audit.status()["connection_status"],
            "nodes": {listener.address: listener.is_up for listener in self._listeners},
        }

    def do_import(self, directory: str, into: str = "/") -> Json:
        """Load a real directory tree."""
        result = self._cluster.fs.import_tree(Path(directory), into=into)
        return {key: value for key, value in vars(result).items() if isinstance(value, int)}

    def do_nodes_stop(self, address: str) -> None:
        """A node dies: its connections are reset and nobody answers."""
        self._background(self._listener(address).stop())

    def do_nodes_start(self, address: str) -> None:
        """A node comes back."""
        self._background(self._listener(address).start())

    def _listener(self, address: str) -> Listener:
        for listener in self._listeners:
            if listener.address == address:
                return listener
        raise ApiError(404, f"{address} is no node")

    def _background(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- clock ------------------------------------------------------------------------------

    def do_clock_advance(self, seconds: float) -> Json:
        """Move the cluster's clock."""
        self._cluster.clock.advance(int(seconds * NS))
        return {"time": rfc3339(self._cluster.now_ns())}

    def do_clock_set(self, time: str) -> Json:
        """Set the cluster's clock; it runs on from there."""
        self._cluster.clock.set(parse_ns(time))
        return {"time": rfc3339(self._cluster.now_ns())}

    def do_clock_skew(self, seconds: float) -> Json:
        """Make the cluster's clock differ from the host's by exactly so much."""
        self._cluster.clock.skew(int(seconds * NS))
        return {"time": rfc3339(self._cluster.now_ns())}

    # -- faults -----------------------------------------------------------------------------

    def do_latency(self, seconds: float) -> None:
        """Answer every request so much later."""
        self._cluster.faults.latency = float(seconds)

    def do_faults_add(self, **order: Any) -> Json:
        """Order a fault: see `faults.Rule` for its members."""
        return self._cluster.faults.add(order).render()

    def do_faults(self) -> Json:
        """All orders, with how often each has hit."""
        return {"faults": [rule.render() for rule in self._cluster.faults.rules]}

    def do_faults_clear(self) -> None:
        """No more faults and no more latency."""
        self._cluster.faults.rules.clear()
        self._cluster.faults.latency = 0.0

    def do_connections_reset(self) -> None:
        """Reset every connection of every node."""
        for listener in self._listeners:
            listener.reset_connections()

    def do_tokens_expire(self) -> Json:
        """Forget all session tokens."""
        return {"expired": self._cluster.identities.expire_sessions()}

    def do_tokens_lifetime(self, seconds: float) -> None:
        """How long a session token lives from now on."""
        self._cluster.identities.session_lifetime_ns = int(seconds * NS)

    def do_pages(self, **caps: int) -> None:
        """Most entries of a page: ``entries``, ``diff``, ``smb``."""
        for name, cap in caps.items():
            if name == "smb":
                self._cluster.smb.page_cap = int(cap)
            elif name in self._cluster.page_caps:
                self._cluster.page_caps[name] = int(cap)
            else:
                raise ApiError(400, f"{name!r} is none of entries, diff, smb")

    def do_diff_children(self, listed: bool) -> None:
        """Whether a tree diff lists what is in a created or deleted directory."""
        self._cluster.fs.diff_lists_children = bool(listed)

    # -- streams ----------------------------------------------------------------------------

    def do_snapshots_own(self, snapshot_id: int, owner: str, shown: bool = True) -> None:
        """Something, such as a replication, uses a snapshot: it cannot be deleted."""
        self._cluster.fs.snapshot(snapshot_id)
        self._cluster.snapshot_owners[snapshot_id] = (owner, shown)

    def do_streams_drop(self) -> Json:
        """Reset every stream of change notifications."""
        return {"dropped": self._cluster.notifications.drop_all()}

    def do_streams(
        self,
        keepalive: float | None = None,
        silent: bool | None = None,
        queue_bound: int | None = None,
    ) -> None:
        """Seconds between keep-alives, whether there are any, and when a slow client is dropped."""
        hub = self._cluster.notifications
        if keepalive is not None:
            hub.keepalive = float(keepalive)
        if silent is not None:
            hub.silent = bool(silent)
        if queue_bound is not None:
            hub.queue_bound = int(queue_bound)

    # -- users ------------------------------------------------------------------------------

    def do_users_add(self, name: str, password: str, privileges: list[str] | None = None) -> Json:
        """A user with a role of its own that has exactly these privileges (None: all)."""
        identities = self._cluster.identities
        user = identities.add_local(name, password)
        if privileges is None:
            user.roles.add("Administrators")
        else:
            identities.roles[name] = Role(name, f"What {name} may do", set(privileges))
            user.roles.add(name)
        return dict(user.render())

    def do_users_privileges(self, name: str, privileges: list[str]) -> None:
        """A user of ``users/add`` has exactly these privileges from now on."""
        role = self._cluster.identities.roles[name]
        role.privileges = set(privileges)
        role.revision += 1

    def do_privileges(
        self, granted_at_next_login: bool | None = None, revoked_at_next_login: bool | None = None
    ) -> None:
        """Whether a session notices new and revoked privileges at once or never."""
        identities = self._cluster.identities
        if granted_at_next_login is not None:
            identities.grants_at_next_login = bool(granted_at_next_login)
        if revoked_at_next_login is not None:
            identities.revokes_at_next_login = bool(revoked_at_next_login)

    # -- files ------------------------------------------------------------------------------

    def do_files_bulk(
        self,
        directory: str,
        count: int,
        size: int = 0,
        pattern: str = "file-{:07d}",
        start: int = 0,
    ) -> Json:
        """Create many files; the directory and those above it are made if need be."""
        parent = self._make_directories(directory)
        first = self._cluster.fs.bulk_create(
            parent, int(count), size=int(size), pattern=pattern, start=int(start)
        )
        return {"first_id": str(first)}

    def do_files_put(self, path: str, content: str = "", mode: str | None = None) -> Json:
        """Write a file as another client would; directories above are made if need be."""
        fs = self._cluster.fs
        parent = self._make_directories(path.rpartition("/")[0] or "/")
        name = path.rpartition("/")[2]
        if name not in fs.child_names(parent):
            fs.create_file(parent, name)
        inode = fs.replace(path, content.encode())
        if mode is not None:
            fs.set_attributes(inode.id, mode=int(mode, 8))
        return {"id": str(inode.id)}

    def _make_directories(self, path: str) -> int:
        fs = self._cluster.fs
        at = fs.root
        for name in path.split("/"):
            if name:
                child = at.directory.entries.get(name)
                at = child if child is not None else fs.create_directory(at.id, name)
        return at.id

    # -- SMB --------------------------------------------------------------------------------

    def do_smb_open(
        self,
        user: str,
        path: str | None = None,
        file_id: str | None = None,
        address: str = "10.0.0.1",
        node: str | None = None,
        access: list[str] | None = None,
        deny: list[str] | None = None,
        byte_ranges: list[Json] | None = None,
        count: int = 1,
        reopen: int = 0,
        refuse: str | None = None,
        granted: bool = True,
    ) -> Json:
        """Open a file as a user (made if need be) from an address, ``count`` times."""
        inode = self._cluster.fs.resolve(path if path is not None else str(file_id))
        handles = [
            self._cluster.smb.open(
                inode.id,
                self._cluster.identities.ensure(user),
                address,
                node or self._cluster.nodes[0],
                access=tuple(access if access is not None else ("read", "write")),
                deny=tuple(deny if deny is not None else ("write",)),
                byte_ranges=[
                    ByteRange(int(r["offset"]), int(r["size"]), bool(r.get("exclusive", True)))
                    for r in byte_ranges or ()
                ],
                reopen=int(reopen),
                refuse=refuse,
                granted=bool(granted),
            )
            for _ in range(int(count))
        ]
        return {
            "file_id": str(inode.id),
            "auth_id": str(handles[0].user.auth_id) if handles else None,
            "locations": [handle.location for handle in handles],
        }

    def do_smb_crowd(
        self, directory: str, handles: int, files: int = 1000, users: int = 300, seed: int = 0
    ) -> Json:
        """Many people at work: so many handles, on files that are made below a directory."""
        parent = self._make_directories(directory)
        first = self._cluster.fs.bulk_create(
            parent, int(files), size=1000, pattern="doc-{:06d}.xlsx"
        )
        chance = random.Random(seed)
        people = [
            self._cluster.identities.ensure(f"CORP\\user{number:04d}")
            for number in range(int(users))
        ]
        for _ in range(int(handles)):
            person = chance.randrange(len(people))
            writes = chance.random() < 0.3
            self._cluster.smb.open(
                first + chance.randrange(int(files)),
                people[person],
                f"10.1.{person // 250}.{person % 250 + 1}",
                self._cluster.nodes[person % len(self._cluster.nodes)],
                access=("read", "write") if writes else ("read",),
                deny=("write",) if writes else (),
                byte_ranges=[ByteRange(0, 100, True)] if writes and chance.random() < 0.2 else None,
            )
        return {"handles": self._cluster.smb.count}

    def do_smb_clear(self) -> None:
        """Everybody closes everything."""
        self._cluster.smb.clear()

    # -- what was asked ---------------------------------------------------------------------

    def do_requests(self, since: int | str = 0, changes: bool | str = False) -> Json:
        """Requests with numbers above ``since``; with ``changes`` only those that ask for one."""
        only_changes = str(changes).lower() in ("1", "true")
        entries = [
            entry._asdict()
            for entry in self._cluster.log
            if entry.number > int(since) and (entry.is_change or not only_changes)
        ]
        return {"last": self._cluster.requests, "requests": entries}

    def do_audit_record(self, lines: list[Json]) -> None:
        """Audit lines of other clients: user, address, protocol, operation, path and so on."""
        for line in lines:
            self._cluster.record_audit(
                int(line.get("node", 1)),
                address=line.get("address", "10.0.0.1"),
                user=self._cluster.identities.ensure(line.get("user", "CORP\\somebody")),
                protocol=line.get("protocol", "smb2"),
                operation=line["operation"],
                status=line.get("status", "ok"),
                file_id=line.get("file_id"),
                path=line["path"],
                target=line.get("target", ""),
            )
