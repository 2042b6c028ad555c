# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who there is: identities, passwords, roles with privileges, and tokens."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .messages import ApiError, Json
from .model import NFS_GID, NFS_UID, Clock, rfc3339

#: Every privilege, as `GET /v1/session/who-am-i` enumerates them ("Qumulo REST API guide").
PRIVILEGES: tuple[str, ...] = tuple(
    json.loads((Path(__file__).parent / "rest-api.json").read_text(encoding="utf-8"))["endpoints"][
        "GET /v1/session/who-am-i"
    ]["response_body"]["properties"]["privileges"]["items"]["enum"]
)
SESSION_LIFETIME_NS = 10 * 3600 * 1_000_000_000
ACCESS_TOKENS_EACH = 2
_LOCAL_SID = "S-1-5-21-1000000001-1000000002-1000000003"
_DOMAIN_SID = "S-1-5-21-2000000001-2000000002-2000000003"
_FIRST_LOCAL_USER = 1000
_FIRST_DOMAIN_USER = 2 << 32

#: Built-in accounts: name -> (password, privileges or None for all of them).
BUILT_IN: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "admin": ("Admin123!", None),
    "helpdesk": (
        "Helpdesk123!",
        (
            "PRIVILEGE_SMB_FILE_HANDLE_READ",
            "PRIVILEGE_SMB_FILE_HANDLE_WRITE",
            "PRIVILEGE_FS_LOCK_READ",
            "PRIVILEGE_IDENTITY_READ",
            "PRIVILEGE_FILE_READ_ACCESS",
        ),
    ),
    "compliance": (
        "Compliance123!",
        ("PRIVILEGE_FS_FILE_LOCK_WRITE", "PRIVILEGE_FILE_READ_ACCESS"),
    ),
    "backup": (
        "Backup123!",
        (
            "PRIVILEGE_SNAPSHOT_READ",
            "PRIVILEGE_SNAPSHOT_WRITE",
            "PRIVILEGE_SNAPSHOT_DIFFERENCE_READ",
            "PRIVILEGE_FILE_READ_ACCESS",
        ),
    ),
    "nobody": ("Nobody123!", ()),
}


@dataclass
class Identity:
    """A user, under all the names that it has."""

    auth_id: int
    name: str
    domain: str
    uid: int | None = None
    gid: int | None = None
    sid: str | None = None
    password: str | None = None
    home_directory: str | None = None
    roles: set[str] = field(default_factory=set)
    revision: int = 1

    def render(self) -> Json:
        """As `POST /v1/identity/find` answers."""
        return {
            "domain": self.domain,
            "auth_id": str(self.auth_id),
            "uid": self.uid,
            "gid": self.gid,
            "sid": self.sid,
            "name": self.name,
        }

    def render_user(self) -> Json:
        """As `/v1/users/` answers."""
        return {
            "id": str(self.auth_id),
            "name": self.name,
            "primary_group": "513",
            "sid": self.sid,
            "uid": "" if self.uid is None else str(self.uid),
            "home_directory": self.home_directory,
            "can_change_password": True,
        }


@dataclass
class Role:
    """A named set of privileges."""

    name: str
    description: str
    privileges: set[str]
    revision: int = 1

    def render(self) -> Json:
        """As `/v1/auth/roles/` answers."""
        return {"description": self.description, "privileges": sorted(self.privileges)}


class Session(NamedTuple):
    """A login, with what the account was allowed at that moment."""

    user: Identity
    expiration_ns: int
    privileges: frozenset[str]


@dataclass
class AccessToken:
    """A long-lived bearer token."""

    id: str
    secret: str
    user: Identity
    creator: Identity
    creation_ns: int
    expiration_ns: int | None = None
    enabled: bool = True

    def render(self) -> Json:
        """Its metadata; the secret is shown once, at creation."""
        return {
            "id": self.id,
            "user": self.user.render(),
            "creator": self.creator.render(),
            "creation_time": rfc3339(self.creation_ns),
            "expiration_time": None if self.expiration_ns is None else rfc3339(self.expiration_ns),
            "enabled": self.enabled,
        }


class Identities:
    """The directory of users, and what they log in with."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.users: dict[int, Identity] = {}
        self._by_name: dict[str, Identity] = {}
        self.roles: dict[str, Role] = {
            "Administrators": Role("Administrators", "Full access", set(PRIVILEGES))
        }
        self.session_lifetime_ns = SESSION_LIFETIME_NS
        #: "For changes to take effect, a user account with newly assigned roles must log out of
        #: Qumulo Core and then log back in (or its sessions must time out)": the vendor's guide on
        #: roles. It is silent about roles that are taken away, hence the second switch.
        self.grants_at_next_login = True
        self.revokes_at_next_login = False
        self._sessions: dict[str, Session] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self._next_local = _FIRST_LOCAL_USER
        self._next_domain = _FIRST_DOMAIN_USER + 1100
        for name, (password, privileges) in BUILT_IN.items():
            auth_id = 500 if name == "admin" else None
            user = self.add_local(name, password, auth_id=auth_id)
            if privileges is None:
                user.roles.add("Administrators")
            else:
                self.roles[name] = Role(name, f"What {name} may do", set(privileges))
                user.roles.add(name)

    # -- users ------------------------------------------------------------------------------

    def add_local(
        self, name: str, password: str | None, *, uid: int | None = None, auth_id: int | None = None
    ) -> Identity:
        """Add a user of the cluster itself.

        :raises ApiError: 409 if the name is taken
        """
        if name.lower() in self._by_name:
            raise ApiError(409, f"user {name} exists already", "auth_user_exists_error")
        if auth_id is None:
            auth_id = self._next_local
            self._next_local += 1
        return self._add(
            Identity(
                auth_id, name, "LOCAL", uid=uid, sid=f"{_LOCAL_SID}-{auth_id}", password=password
            )
        )

    def ensure(self, name: str) -> Identity:
        """The user of this name; a user of the domain is made if there is none."""
        user = self._by_name.get(name.lower())
        if user is None:
            auth_id = self._next_domain
            self._next_domain += 1
            relative = auth_id - _FIRST_DOMAIN_USER
            user = self._add(
                Identity(
                    auth_id,
                    name,
                    "ACTIVE_DIRECTORY",
                    uid=50000 + relative,
                    sid=f"{_DOMAIN_SID}-{relative}",
                )
            )
        return user

    def _add(self, user: Identity) -> Identity:
        self.users[user.auth_id] = user
        self._by_name[user.name.lower()] = user
        return user

    def rename(self, user: Identity, name: str) -> None:
        """Give a user another name."""
        self._by_name.pop(user.name.lower(), None)
        user.name = name
        self._by_name[name.lower()] = user

    def remove(self, user: Identity) -> None:
        """Delete a user; what is owned by it keeps its ID."""
        self.users.pop(user.auth_id, None)
        self._by_name.pop(user.name.lower(), None)

    def find(self, wanted: dict[str, Json]) -> Identity:
        """The identity with these attributes, all of which must fit.

        :raises ApiError: 400 without any, 404 if there is none
        """
        keys = {k: v for k, v in wanted.items() if k in ("auth_id", "name", "sid", "uid", "gid")}
        keys = {k: v for k, v in keys.items() if v is not None}
        if not keys:
            raise ApiError(400, "name, auth_id, sid, uid or gid must be given")
        for user in self._candidates(keys):
            if all(_equal(getattr(user, key), value) for key, value in keys.items()):
                return user
        raise ApiError(404, f"no identity with {keys}", "auth_identity_not_found_error")

    def _candidates(self, keys: dict[str, Json]) -> Iterator[Identity]:
        if "auth_id" in keys and str(keys["auth_id"]).isdigit():
            auth_id = int(keys["auth_id"])
            known = self.users.get(auth_id)
            if known is not None:
                yield known
            elif auth_id >> 32 == NFS_UID >> 32:
                number = auth_id & 0xFFFFFFFF
                yield Identity(auth_id, f"uid:{number}", "POSIX_USER", uid=number)
            elif auth_id >> 32 == NFS_GID >> 32:
                number = auth_id & 0xFFFFFFFF
                yield Identity(auth_id, f"gid:{number}", "POSIX_GROUP", gid=number)
            return
        if "name" in keys:
            # Without a domain it is a user of the cluster, or else of the domain.
            name = str(keys["name"]).lower()
            known = self._by_name.get(name)
            if known is not None:
                yield known
            elif "\\" not in name:
                for full, user in self._by_name.items():
                    if full.endswith(f"\\{name}"):
                        yield user
            return
        yield from self.users.values()
        if "uid" in keys and str(keys["uid"]).isdigit():
            number = int(keys["uid"])
            yield Identity(NFS_UID + number, f"uid:{number}", "POSIX_USER", uid=number)
        if "gid" in keys and str(keys["gid"]).isdigit():
            number = int(keys["gid"])
            yield Identity(NFS_GID + number, f"gid:{number}", "POSIX_GROUP", gid=number)

    def privileges(self, user: Identity, at_login: frozenset[str] | None = None) -> set[str]:
        """All privileges that a caller has.

        :param at_login: those of the session's login; None for an access token, which has no
            session and always has the privileges of its user
        """
        now: set[str] = set()
        for name in user.roles:
            role = self.roles.get(name)
            if role is not None:
                now |= role.privileges
        if at_login is None:
            return now
        found = now & at_login
        if not self.grants_at_next_login:
            found |= now
        if self.revokes_at_next_login:
            found |= at_login
        return found

    def is_allowed(
        self, user: Identity, privilege: str, at_login: frozenset[str] | None = None
    ) -> bool:
        """Whether a caller has the privilege; see :meth:`privileges`."""
        now = any(
            privilege in self.roles[name].privileges for name in user.roles if name in self.roles
        )
        if at_login is None:
            return now
        if privilege in at_login:
            return now or self.revokes_at_next_login
        return now and not self.grants_at_next_login

    # -- sessions and tokens ----------------------------------------------------------------

    def log_in(self, name: str, password: str) -> str:
        """A session token.

        :raises ApiError: 401 for a wrong name or password
        """
        user = self._by_name.get(name.lower())
        known = user.password if user is not None else None
        if user is None or known is None or not hmac.compare_digest(known, password):
            raise ApiError(401, "Login failed: incorrect username or password.")
        token = f"session-v1:{secrets.token_urlsafe(32)}"
        expiration_ns = self._clock.now_ns() + self.session_lifetime_ns
        self._sessions[token] = Session(user, expiration_ns, frozenset(self.privileges(user)))
        return token

    def authenticate(self, header: str) -> tuple[Identity, frozenset[str] | None]:
        """The user of an Authorization header, and the privileges at the login of a session.

        :raises ApiError: 401 if the token is missing, unknown or expired
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer":
            session = self._sessions.get(token)
            if session is not None:
                if session.expiration_ns > self._clock.now_ns():
                    return session.user, session.privileges
                del self._sessions[token]
            token_id = token.split(":")[1] if token.startswith("access-v1:") else ""
            access = self.access_tokens.get(token_id)
            if (
                access is not None
                and hmac.compare_digest(access.secret, token)
                and access.enabled
                and (access.expiration_ns is None or access.expiration_ns > self._clock.now_ns())
            ):
                return access.user, None
        raise ApiError(401, "Need to log in first to establish credentials.")

    def token_id(self, header: str) -> str | None:
        """The ID of the access token of a header, if it is one."""
        token = header.partition(" ")[2]
        return token.split(":")[1] if token.startswith("access-v1:") else None

    def expire_sessions(self) -> int:
        """Forget all session tokens; returns how many there were."""
        count = len(self._sessions)
        self._sessions.clear()
        return count

    def create_access_token(
        self, user: Identity, creator: Identity, expiration_ns: int | None
    ) -> AccessToken:
        """A long-lived token.

        :raises ApiError: 409 if the user has two already
        """
        if sum(1 for t in self.access_tokens.values() if t.user is user) >= ACCESS_TOKENS_EACH:
            raise ApiError(409, f"user {user.name} has {ACCESS_TOKENS_EACH} access tokens already")
        token_id = str(secrets.randbelow(10**15))
        secret = f"access-v1:{token_id}:{secrets.token_urlsafe(32)}"
        token = AccessToken(token_id, secret, user, creator, self._clock.now_ns(), expiration_ns)
        self.access_tokens[token_id] = token
        return token


def _equal(known: object, wanted: object) -> bool:
    return str(known).lower() == str(wanted).lower()
