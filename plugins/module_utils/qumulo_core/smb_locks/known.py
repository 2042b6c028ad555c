# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter values that name something on the cluster of the right kind, or are refused.

A misspelled value matches nothing. "No handle matches" would then be false reassurance, and a
misspelled user in ``exclude_users`` would not be spared.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

from .. import files
from ..client import Client
from ..common.addresses import parse_address
from ..domain import named
from ..domain.file_refs import by_id
from ..errors import InputError, MissingPrivilegeError, NotFoundError, QumuloError
from .filters import HandleFilter, UserFilter
from .handles import Handle
from .kinds import check_directory, is_directory, itself_only
from .names import look_up

_SHOWN = 10


def check_known(
    client: Client,
    wanted: HandleFilter,
    handles: Sequence[Handle],
    *,
    file_ids: Sequence[str] = (),
    exclude_users: Sequence[str] = (),
) -> tuple[list[str], list[str]]:
    """Refuse values of a filter that name nothing, or something of the wrong kind.

    Returns warnings, and the directories of which only handles of themselves are meant. A value
    that one of the handles fits is known. Of these, only file IDs are looked up, because a handle
    does not say whether it is of a directory.

    :param handles: the handles that match the filter.
    :param file_ids: file IDs that were given as such, not found by a path.
    :param exclude_users: users to spare.
    :raises NotFoundError: a directory, file ID or user does not exist.
    :raises InputError: a node is not one of the cluster, a directory is something else, or a file
        ID is that of a symlink.
    """
    warnings: list[str] = []
    for directory in wanted.directories:
        if not any(h.path.startswith(f"{directory}/") for h in handles):
            warnings += _check_directory(client, directory or "/")
    containers = list(wanted.containers)
    opened = {handle.file_id for handle in handles}
    for file_id in file_ids:
        warnings += _check_file_id(client, file_id, opened, containers)
    warnings += map(itself_only, containers)
    excluded = [UserFilter.parse(user) for user in exclude_users]
    holders = {handle.holder for handle in handles}
    for user in (*wanted.users, *excluded):
        if not any(user.matches(holder) for holder in holders):
            warnings += _check_user(client, user)
    return warnings + _check_nodes(client, wanted, handles), containers


def _check_directory(client: Client, path: str) -> list[str]:
    try:
        found = named.existing(client, path)
    except NotFoundError:
        raise
    except QumuloError as exc:
        return [f"Cannot check whether the directory '{path}' exists: {exc.message}"]
    check_directory(found, path)
    return []


def _check_file_id(
    client: Client, file_id: str, opened: Container[str], containers: list[str]
) -> list[str]:
    """Add the path to ``containers`` if it is a directory."""
    try:
        found = files.get(client, by_id(file_id))
    except QumuloError as exc:
        if file_id in opened:
            return []  # it exists, or has been deleted while it was open
        if isinstance(exc, NotFoundError):
            raise
        return [f"Cannot check whether the file ID '{file_id}' exists: {exc.message}"]
    if is_directory(found, file_id, "file_id"):
        containers.append(found.path)
    return []


def _check_user(client: Client, user: UserFilter) -> list[str]:
    try:
        look_up(client, user.kind, user.written)
    except NotFoundError as exc:
        raise NotFoundError(
            f"The cluster does not know the user '{user.text}': check the spelling and the "
            "directory service, or write DOMAIN\\name, a SID, uid:NUMBER or auth_id:NUMBER.",
            status=exc.status,
            error_class=exc.error_class,
        ) from exc
    except QumuloError as exc:
        return [f"Cannot check whether the user '{user.text}' exists: {exc.message}"]
    return []


def _check_nodes(client: Client, wanted: HandleFilter, handles: Sequence[Handle]) -> list[str]:
    if not wanted.nodes:
        return []
    seen = {node for handle in handles for node in handle.nodes}
    unseen = sorted(wanted.nodes.difference(map(parse_address, seen)), key=str)
    if not unseen:
        return []
    shown = ", ".join(str(node) for node in unseen)
    try:
        status = client.get("/v2/network/interfaces/1/status/")
    except (MissingPrivilegeError, NotFoundError) as exc:
        return [f"Cannot check whether {shown} is an address of a node: {exc.message}"]
    known = [address for address in map(parse_address, _texts(status)) if address is not None]
    for node in unseen:
        if node not in known:
            examples = ", ".join(map(str, sorted(set(known), key=str)[:_SHOWN]))
            raise InputError(
                f"'{node}' is not an address of a node of this cluster: use one of {examples}."
            )
    return []


def _texts(value: Any) -> Iterator[str]:
    """Yield the addresses in the status of the nodes' networks."""
    for node in value if isinstance(value, list) else ():
        for network in node.get("network_statuses") or ():
            if network.get("address"):
                yield str(network["address"])
            yield from map(str, network.get("floating_addresses") or ())
