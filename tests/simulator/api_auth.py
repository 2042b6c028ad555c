# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of sessions, identities, users, roles and access tokens."""

from __future__ import annotations

from .cluster import Cluster
from .identities import PRIVILEGES, Identity, Role
from .messages import Answer, ApiError, Json, Request, answer
from .router import Router, number
from .timestamps import parse_ns

TOKENS = "PRIVILEGE_ACCESS_TOKENS"


def register(router: Router) -> None:
    """Add the endpoints of this file."""
    route = router.route
    route("POST /v1/session/login", public=True)(log_in)
    route("GET /v1/session/who-am-i")(who_am_i)
    route("GET /v1/session/roles")(my_roles)
    route("POST /v1/identity/find", "PRIVILEGE_IDENTITY_READ")(find)
    route("POST /v1/identity/expand", "PRIVILEGE_IDENTITY_READ")(expand)
    route("GET /v1/users/", "PRIVILEGE_LOCAL_USER_READ")(list_users)
    route("POST /v1/users/", "PRIVILEGE_LOCAL_USER_WRITE")(add_user)
    route("GET /v1/users/{id}", "PRIVILEGE_LOCAL_USER_READ")(get_user)
    route("DELETE /v1/users/{id}", "PRIVILEGE_LOCAL_USER_WRITE")(delete_user)
    route("POST /v1/users/{id}/setpassword", "PRIVILEGE_LOCAL_USER_WRITE")(set_password)
    route("GET /v1/auth/privileges/", "PRIVILEGE_ROLE_READ")(list_privileges)
    route("GET /v1/auth/roles/", "PRIVILEGE_ROLE_READ")(list_roles)
    route("POST /v1/auth/roles/", "PRIVILEGE_ROLE_WRITE")(create_role)
    route("GET /v1/auth/roles/{name}", "PRIVILEGE_ROLE_READ")(get_role)
    route("PATCH /v1/auth/roles/{name}", "PRIVILEGE_ROLE_WRITE")(modify_role)
    route("DELETE /v1/auth/roles/{name}", "PRIVILEGE_ROLE_WRITE")(delete_role)
    route("GET /v1/auth/roles/{name}/members", "PRIVILEGE_ROLE_READ")(list_members)
    route("POST /v1/auth/roles/{name}/members", "PRIVILEGE_ROLE_WRITE")(add_member)
    route("DELETE /v1/auth/roles/{name}/members/{id}", "PRIVILEGE_ROLE_WRITE")(remove_member)
    route("GET /v1/auth/access-tokens/", f"{TOKENS}_READ")(list_tokens)
    route("POST /v1/auth/access-tokens/", f"{TOKENS}_WRITE")(create_token)
    route("GET /v1/auth/access-tokens/{id}", f"{TOKENS}_READ")(get_token)
    route("PATCH /v1/auth/access-tokens/{id}", f"{TOKENS}_WRITE")(modify_token)
    route("DELETE /v1/auth/access-tokens/{id}", f"{TOKENS}_WRITE")(delete_token)


# -- sessions -------------------------------------------------------------------------------


def log_in(cluster: Cluster, request: Request) -> Answer:
    """A session token for a name and a password."""
    body = request.object()
    token = cluster.identities.log_in(str(body.get("username")), str(body.get("password")))
    return answer({"bearer_token": token})


def who_am_i(cluster: Cluster, request: Request) -> Answer:
    """The caller, with all privileges."""
    user: Identity = request.user
    return answer(
        {
            "id": str(user.auth_id),
            "name": user.name,
            "primary_group": "513",
            "sid": user.sid,
            "uid": "" if user.uid is None else str(user.uid),
            "home_directory": user.home_directory,
            "can_change_password": user.domain == "LOCAL",
            "privileges": sorted(cluster.identities.privileges(user, request.at_login)),
            "access_token_id": cluster.identities.token_id(request.headers["authorization"]),
        }
    )


def my_roles(cluster: Cluster, request: Request) -> Answer:
    """The caller's roles."""
    del cluster
    return answer(sorted(request.user.roles))


# -- identities -----------------------------------------------------------------------------


def find(cluster: Cluster, request: Request) -> Answer:
    """The identity with these attributes."""
    return answer(cluster.identities.find(request.object()).render())


def expand(cluster: Cluster, request: Request) -> Answer:
    """An identity with its equivalents; there are no groups here."""
    body = request.object()
    identity = cluster.identities.find(body.get("id") or body).render()
    return answer(
        {
            "id": identity,
            "type": "USER",
            "equivalent_ids": [],
            "group_ids": [],
            "member_ids": [],
            "smb_id": identity,
            "nfs_id": identity,
        }
    )


# -- users ----------------------------------------------------------------------------------


def _user(cluster: Cluster, text: str) -> Identity:
    user = cluster.identities.users.get(int(text)) if text.isdigit() else None
    if user is None:
        raise ApiError(404, f"no user with ID {text}")
    return user


def list_users(cluster: Cluster, request: Request) -> Answer:
    """The cluster's own users."""
    del request
    users = cluster.identities.users.values()
    return answer([user.render_user() for user in users if user.domain == "LOCAL"])


def add_user(cluster: Cluster, request: Request) -> Answer:
    """Add a user of the cluster."""
    body = request.object()
    uid = body.get("uid")
    user = cluster.identities.add_local(
        str(body.get("name")), body.get("password"), uid=int(uid) if uid else None
    )
    return answer(user.render_user(), etag=f'"{user.revision}"')


def get_user(cluster: Cluster, request: Request) -> Answer:
    """One user."""
    user = _user(cluster, request.wild[0])
    return answer(user.render_user(), etag=f'"{user.revision}"')


def delete_user(cluster: Cluster, request: Request) -> Answer:
    """Delete a user."""
    cluster.identities.remove(_user(cluster, request.wild[0]))
    return answer(None)


def set_password(cluster: Cluster, request: Request) -> Answer:
    """Set a user's password."""
    _user(cluster, request.wild[0]).password = str(request.object().get("new_password"))
    return answer(None)


# -- roles ----------------------------------------------------------------------------------


def list_privileges(cluster: Cluster, request: Request) -> Answer:
    """All privileges, with a description."""
    del cluster, request
    return answer({name: name.replace("_", " ").capitalize() for name in PRIVILEGES})


def _role(cluster: Cluster, name: str) -> Role:
    role = cluster.identities.roles.get(name)
    if role is None:
        raise ApiError(404, f"no role {name}")
    return role


def _privileges(names: Json) -> set[str]:
    unknown = [name for name in names if name not in PRIVILEGES]
    if unknown:
        raise ApiError(400, f"unknown privileges: {', '.join(map(str, unknown))}")
    return set(names)


def list_roles(cluster: Cluster, request: Request) -> Answer:
    """All roles by name."""
    del request
    return answer({name: role.render() for name, role in cluster.identities.roles.items()})


def create_role(cluster: Cluster, request: Request) -> Answer:
    """Add a role."""
    body = request.object()
    name = str(body.get("name"))
    if name in cluster.identities.roles:
        raise ApiError(409, f"role {name} exists already")
    role = Role(name, str(body.get("description", "")), _privileges(body.get("privileges") or []))
    cluster.identities.roles[name] = role
    return answer(role.render(), etag=f'"{role.revision}"')


def get_role(cluster: Cluster, request: Request) -> Answer:
    """One role."""
    role = _role(cluster, request.wild[0])
    return answer(role.render(), etag=f'"{role.revision}"')


def modify_role(cluster: Cluster, request: Request) -> Answer:
    """Change description or privileges."""
    role = _role(cluster, request.wild[0])
    cluster.check_etag(request, f'"{role.revision}"')
    body = request.object()
    if "privileges" in body:
        role.privileges = _privileges(body["privileges"])
    role.description = str(body.get("description", role.description))
    role.revision += 1
    return answer(role.render(), etag=f'"{role.revision}"')


def delete_role(cluster: Cluster, request: Request) -> Answer:
    """Delete a role."""
    _role(cluster, request.wild[0])
    del cluster.identities.roles[request.wild[0]]
    return answer(None)


def list_members(cluster: Cluster, request: Request) -> Answer:
    """Who has a role."""
    _role(cluster, request.wild[0])
    users = cluster.identities.users.values()
    members = {str(user.auth_id): user.render() for user in users if request.wild[0] in user.roles}
    return answer({"members": members, "paging": {"next": ""}})


def add_member(cluster: Cluster, request: Request) -> Answer:
    """Give somebody a role."""
    _role(cluster, request.wild[0])
    user = cluster.identities.find(request.object())
    user.roles.add(request.wild[0])
    return answer(user.render())


def remove_member(cluster: Cluster, request: Request) -> Answer:
    """Take a role away."""
    _user(cluster, request.wild[1]).roles.discard(request.wild[0])
    return answer(None)


# -- access tokens --------------------------------------------------------------------------


def _expiration(text: Json) -> int | None:
    if text is None:
        return None
    try:
        return parse_ns(text)
    except ValueError as error:
        raise ApiError(400, f"expiration_time makes no sense: {error}") from error


def list_tokens(cluster: Cluster, request: Request) -> Answer:
    """A page of access tokens."""
    user = request.query.get("user")
    tokens = list(cluster.identities.access_tokens.values())
    if user:
        wanted = user.rpartition(":")[2].lower()
        tokens = [t for t in tokens if wanted in (t.user.name.lower(), str(t.user.auth_id))]
    start = number(request, "after") or 0
    end = start + (number(request, "limit") or 1000)
    following = f"/v1/auth/access-tokens/?after={end}" if end < len(tokens) else ""
    entries = [token.render() for token in tokens[start:end]]
    return answer({"entries": entries, "paging": {"next": following}})


def create_token(cluster: Cluster, request: Request) -> Answer:
    """A long-lived token; its secret is shown this once."""
    body = request.object()
    user = cluster.identities.find(body.get("user") or {})
    token = cluster.identities.create_access_token(
        user, request.user, _expiration(body.get("expiration_time"))
    )
    return answer({"id": token.id, "bearer_token": token.secret})


def get_token(cluster: Cluster, request: Request) -> Answer:
    """Metadata of a token."""
    token = cluster.identities.access_tokens.get(request.wild[0])
    if token is None:
        raise ApiError(404, f"no access token {request.wild[0]}")
    return answer(token.render())


def modify_token(cluster: Cluster, request: Request) -> Answer:
    """Switch a token on or off, or change when it expires."""
    token = cluster.identities.access_tokens.get(request.wild[0])
    if token is None:
        raise ApiError(404, f"no access token {request.wild[0]}")
    body = request.object()
    if "enabled" in body:
        token.enabled = bool(body["enabled"])
    if "expiration_time" in body:
        token.expiration_ns = _expiration(body["expiration_time"])
    return answer(token.render())


def delete_token(cluster: Cluster, request: Request) -> Answer:
    """Delete a token."""
    if cluster.identities.access_tokens.pop(request.wild[0], None) is None:
        raise ApiError(404, f"no access token {request.wild[0]}")
    return answer(None)
