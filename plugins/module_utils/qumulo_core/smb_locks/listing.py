# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open handles, joined with their holders, clients and locks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from ..client import Client
from ..common.addresses import canonical
from ..domain.file_refs import by_id
from ..errors import MissingPrivilegeError, NotFoundError, QumuloError
from ..pool import map_unordered
from .filters import HandleFilter
from .handles import Handle, Identity, RangeGrant, ShareGrant
from .names import Names

#: Entries to ask for in a page: cursors are sequential, so few large pages are fast.
PAGE = 10_000
#: Up to so many files their locks are asked for one by one, above that all at once.
FEW_FILES = 64
_RESOLVE_BATCH = 500

Shares = dict[str, list[ShareGrant]]
Ranges = dict[str, list[RangeGrant]]


def list_handles(
    client: Client, wanted: HandleFilter, *, names: Names | None = None
) -> list[Handle]:
    """Return the open handles that are meant, with everything known about each.

    Each holder is looked up once, however many handles it has. Needs
    PRIVILEGE_SMB_FILE_HANDLE_READ, PRIVILEGE_FS_LOCK_READ and PRIVILEGE_IDENTITY_READ; with
    PRIVILEGE_SMB_SESSION_READ clients are told apart better.

    :param names: remembers holders from one listing to the next.
    """
    names = names or Names()
    counts: Counter[str] = Counter()
    targeted = wanted.by_file and len(wanted.file_ids) <= FEW_FILES
    if targeted:
        opened = _counted(_of_files(client, wanted.file_ids), counts)
        handles = [h for h in opened if wanted.matches_open(h)]
        shares, ranges = _locks_of_files(client, handles)
    elif wanted.needs_paths or wanted.users or wanted.access or wanted.by_file:
        with_paths = wanted.needs_paths
        opened = _counted(_all(client, with_paths=with_paths), counts)
        handles = [h for h in opened if wanted.matches_open(h)]
        handles = _of_holders(handles, wanted, _holders(client, handles, names))
        shares, ranges = _locks_of_files(client, handles)
        if not with_paths:
            handles = _with_paths(client, handles)
    else:
        handles, shares, ranges = _together(
            client,
            lambda own: list(_all(own, with_paths=True)),
            _all_shares,
            _all_ranges,
        )
        counts = Counter(handle.file_id for handle in handles)
    holders = _holders(client, handles, names)
    handles = _of_holders(handles, wanted, holders)
    sessions = _sessions(client, handles, shares)
    by_client = {} if sessions is None else _by_client(shares)
    handles = [_join(handle, holders, shares, ranges, sessions, by_client) for handle in handles]
    unplaced = {
        file_id for file_id, count in counts.items() if count > len(shares.get(file_id, ()))
    }
    if unplaced:
        handles = [h._replace(placed=False) if h.file_id in unplaced else h for h in handles]
    if wanted.networks or wanted.nodes:
        handles = [handle for handle in handles if wanted.matches_client(handle)]
    handles.sort(key=lambda handle: (handle.path, handle.holder.label, handle.location))
    return handles


def is_open_for_writing(client: Client, file_id: str) -> bool:
    """Tell whether somebody has a file open for writing; one small request.

    Needs PRIVILEGE_SMB_FILE_HANDLE_READ.
    """
    return any(handle.can_write for handle in _of_files(client, [file_id]))


# -- handles ------------------------------------------------------------------------------------


def _counted(handles: Iterable[Handle], counts: Counter[str]) -> Iterator[Handle]:
    """Count how many handles each file has, whoever's they are and whether they are meant."""
    for handle in handles:
        counts[handle.file_id] += 1
        yield handle


def _all(client: Client, *, with_paths: bool) -> Iterator[Handle]:
    uri = f"/v1/smb/files/?resolve_paths={'true' if with_paths else 'false'}"
    for entry in client.paged(uri, "file_handles", limit=PAGE):
        yield Handle.of(entry)


def _of_files(client: Client, file_ids: Iterable[str]) -> Iterator[Handle]:
    for file_id in sorted(file_ids):
        uri = f"/v1/smb/files/?resolve_paths=true&file_number={file_id}"
        for entry in client.paged(uri, "file_handles", limit=PAGE):
            yield Handle.of(entry)


def _with_paths(client: Client, handles: list[Handle]) -> list[Handle]:
    """Add the paths of handles that were listed without: cheaper than resolving all of them."""
    ids = sorted({handle.file_id for handle in handles})
    paths: dict[str, str] = {}
    batches = [ids[at : at + _RESOLVE_BATCH] for at in range(0, len(ids), _RESOLVE_BATCH)]
    for outcome in map_unordered(client, _resolve, batches, workers=4):
        if outcome.error is not None:
            raise outcome.error
        paths.update(outcome.value or {})
    return [handle._replace(path=paths.get(handle.file_id, "")) for handle in handles]


def _resolve(client: Client, ids: Sequence[str]) -> dict[str, str]:
    try:
        answer = client.rest.fs.resolve_paths(ids=list(ids))
    except NotFoundError:
        if len(ids) == 1:
            return {}  # deleted while open: it has no path any more
        half = len(ids) // 2
        return {**_resolve(client, ids[:half]), **_resolve(client, ids[half:])}
    return {str(item["id"]): str(item["path"]).rstrip("/") or "/" for item in answer}


# -- holders ------------------------------------------------------------------------------------


def _holders(client: Client, handles: list[Handle], names: Names) -> dict[str, Identity]:
    """Look up the names of all holders, by auth ID."""
    return names.find(client, {handle.holder.auth_id for handle in handles})


def _of_holders(
    handles: list[Handle], wanted: HandleFilter, holders: dict[str, Identity]
) -> list[Handle]:
    """Leave out the handles of holders that are not meant."""
    meant = {auth_id for auth_id, holder in holders.items() if wanted.matches_holder(holder)}
    return [handle for handle in handles if handle.holder.auth_id in meant]


# -- locks --------------------------------------------------------------------------------------


def _grants(client: Client, kind: str, file_id: str | None) -> Iterator[dict[str, Any]]:
    middle = "" if file_id is None else f"{by_id(file_id).quoted}/"
    yield from client.paged(f"/v1/files/{middle}locks/smb/{kind}/", "grants", limit=PAGE)


def _all_shares(client: Client, file_id: str | None = None) -> Shares:
    shares: Shares = defaultdict(list)
    for grant in _grants(client, "share-mode", file_id):
        shares[str(grant.get("file_id"))].append(ShareGrant.of(grant))
    return shares


def _all_ranges(client: Client, file_id: str | None = None) -> Ranges:
    ranges: Ranges = defaultdict(list)
    for grant in _grants(client, "byte-range", file_id):
        ranges[str(grant.get("file_id"))].append(RangeGrant.of(grant))
    return ranges


def _locks_of_files(client: Client, handles: list[Handle]) -> tuple[Shares, Ranges]:
    file_ids = sorted({handle.file_id for handle in handles})
    if len(file_ids) > FEW_FILES:
        return _together(client, _all_shares, _all_ranges)

    def of_file(own: Client, file_id: str) -> tuple[Shares, Ranges]:
        try:
            return _all_shares(own, file_id), _all_ranges(own, file_id)
        except NotFoundError:
            return {}, {}  # deleted meanwhile

    shares: Shares = {}
    ranges: Ranges = {}
    for outcome in map_unordered(client, of_file, file_ids, workers=8):
        if outcome.error is not None:
            raise outcome.error
        if outcome.value is not None:
            shares.update(outcome.value[0])
            ranges.update(outcome.value[1])
    return shares, ranges


def _sessions(client: Client, handles: list[Handle], shares: Shares) -> dict[str, set[str]] | None:
    """Return the client addresses of each user, if that is needed and permitted.

    A grant names a client but no user, a handle a user but no client; where several clients have
    a file open, sessions tell which of them can be whose.
    """
    if not any(len({g.address for g in shares.get(h.file_id, ())}) > 1 for h in handles):
        return None
    addresses: dict[str, set[str]] = defaultdict(set)
    try:
        for session in client.paged("/v1/smb/sessions/", "session_infos", limit=PAGE):
            user = session.get("user") or {}
            addresses[str(user.get("auth_id"))].add(canonical(str(session.get("originator") or "")))
    except MissingPrivilegeError:
        return None
    return addresses


def _join(
    handle: Handle,
    holders: dict[str, Identity],
    shares: Shares,
    ranges: Ranges,
    sessions: dict[str, set[str]] | None,
    by_client: dict[str, dict[str, list[ShareGrant]]],
) -> Handle:
    """Attach the holder's names and the locks that can be the handle's.

    Nothing in the API ties a grant to a handle, so all grants of the file remain that fit its
    access and, where sessions are known, its user's clients. A condition that leaves none is
    dropped: it is better to name too many clients than the wrong one.
    """
    candidates = shares.get(handle.file_id, [])
    if len(candidates) > 1:
        addresses = None if sessions is None else sessions.get(handle.holder.auth_id)
        if addresses:
            of_file = by_client[handle.file_id]
            candidates = [g for a in addresses for g in of_file.get(a, ())] or candidates
        fitting = _shared_access(handle.access)
        candidates = [g for g in candidates if g.access == fitting] or candidates
    clients, nodes, denies = _owners(candidates)
    held: tuple[RangeGrant, ...] = ()
    if handle.num_byte_ranges:
        locked = ranges.get(handle.file_id, [])
        held = tuple(r for r in locked if not clients or r.address in clients)
    return Handle(
        handle.location,
        handle.file_id,
        handle.path,
        holders[handle.holder.auth_id],
        handle.access,
        handle.num_byte_ranges,
        clients,
        nodes,
        denies,
        held,
    )


def _by_client(shares: Shares) -> dict[str, dict[str, list[ShareGrant]]]:
    """Return the grants of each file by client, for files that several have open."""
    found: dict[str, dict[str, list[ShareGrant]]] = {}
    for file_id, grants in shares.items():
        if len(grants) > 1:
            of_file = found[file_id] = defaultdict(list)
            for grant in grants:
                of_file[grant.address].append(grant)
    return found


_Texts = tuple[str, ...]


def _owners(grants: Sequence[ShareGrant]) -> tuple[_Texts, _Texts, _Texts]:
    """Return clients, nodes and denials of grants; nearly always all are alike."""
    if grants and grants.count(grants[0]) == len(grants):
        grant = grants[0]
        return (
            (grant.address,) if grant.address else (),
            (grant.node,) if grant.node else (),
            _in_order(grant.denies),
        )
    return (
        _in_order(frozenset(grant.address for grant in grants if grant.address)),
        _in_order(frozenset(grant.node for grant in grants if grant.node)),
        _in_order(frozenset(word for grant in grants for word in grant.denies)),
    )


@lru_cache(maxsize=4096)
def _in_order(texts: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(texts))


@lru_cache(maxsize=256)
def _shared_access(access: tuple[str, ...]) -> frozenset[str]:
    """Return an access in the words that a share-mode lock has for it."""
    words = {"write" if word == "append" else word for word in access}
    return frozenset(words & {"read", "write", "delete"})


# -- side by side -------------------------------------------------------------------------------


def _together(client: Client, *works: Callable[[Client], Any]) -> tuple[Any, ...]:
    """Run independent listings side by side, each with its own connection."""

    def run(work: Callable[[Client], Any]) -> Any:
        with client.clone() as own:
            return work(own)

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(run, work) for work in works]
        try:
            return tuple(future.result() for future in futures)
        except QumuloError:
            for future in futures:
                future.cancel()
            raise
