# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing handles: what is meant, nothing else, and a second look afterwards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..client import Client
from ..errors import ConflictError, InputError, QumuloError
from .filters import HandleFilter, UserFilter
from .handles import Handle
from .listing import list_handles
from .names import Names

#: Handles in one close request.
BATCH = 500
_SHOWN = 5
#: Of a handle: what is opened where. Its parts are the cluster's own.
_LOCATION = re.compile(r"[^\s/]+(/[^\s/]+)+")


@dataclass(frozen=True)
class Selection:
    """Handles that match, divided into those to close and those to spare."""

    close: list[Handle]
    spared: list[Handle]


@dataclass
class Closed:
    """What became of the handles.

    :param broken: why not all were asked to be closed, if so.
    """

    closed: list[Handle] = field(default_factory=list)
    failed: list[tuple[Handle, str]] = field(default_factory=list)
    reopened: list[Handle] = field(default_factory=list)
    broken: QumuloError | None = None


def select(
    handles: Sequence[Handle], *, exclude_users: Sequence[str] = (), only_idle: bool = False
) -> Selection:
    """Divide handles: spare those of some users and, if asked, those that can lose work.

    Holders without a name are spared with ``exclude_users``: they can be among them.
    """
    excluded = [UserFilter.parse(user) for user in exclude_users]
    close: list[Handle] = []
    spared: list[Handle] = []
    for handle in handles:
        spare = any(user.can_be(handle.holder) for user in excluded)
        spare = spare or (only_idle and handle.can_lose_work)
        (spared if spare else close).append(handle)
    return Selection(close, spared)


def check(
    handles: Sequence[Handle],
    wanted: HandleFilter,
    *,
    max_close: int,
    plan: Collection[str] | None,
) -> None:
    """Refuse to close what may not be meant. Called before anything is closed.

    :param plan: locations that an earlier look found; None if there was none.
    :raises ConflictError: handles have come since the plan, or more match than ``max_close``.
    :raises InputError: the filter has no condition, or it cannot be told to which client a handle
        belongs.
    """
    _refuse_all(wanted)
    if plan is not None:
        for entry in plan:
            if _LOCATION.fullmatch(entry) is None:
                raise InputError(
                    f"'{entry}' is not an entry of a plan, which looks like 10.0.0.11/1f/2: give "
                    "the plan of a check run. Nothing was closed."
                )
        new = [handle for handle in handles if handle.location not in plan]
        if new:
            have = "handle has" if len(new) == 1 else "handles have"
            raise ConflictError(
                f"{len(new)} {have} been opened since the plan was made ({_examples(new)}): look "
                "at them and make a new plan by a check run without plan. Nothing was closed."
            )
    if len(handles) > max_close:
        users = Counter(handle.holder.label for handle in handles).most_common(_SHOWN)
        whose = ", ".join(f"{name} ({count})" for name, count in users)
        raise ConflictError(
            f"{len(handles)} handles match, more than max_close {max_close}; most are of {whose}: "
            "narrow the filters, or raise max_close if all of them are meant. Nothing was closed."
        )
    unsure = [handle for handle in handles if not wanted.is_certain(handle)]
    if unsure:
        raise InputError(
            f"{len(unsure)} {'handle' if len(unsure) == 1 else 'handles'} can belong to this "
            f"client or node or to another ({_examples(unsure)}): select by user or file "
            "instead, or grant the account "
            "PRIVILEGE_SMB_SESSION_READ, which tells clients apart. Nothing was closed."
        )


def _refuse_all(wanted: HandleFilter) -> None:
    if not wanted.names_something:
        raise InputError(
            "The filter names nothing, so it matches every handle of the cluster: name a file, a "
            "directory, a user, a client or a node. Nothing was closed."
        )


def close(
    client: Client,
    handles: Sequence[Handle],
    wanted: HandleFilter,
    *,
    known: Sequence[Handle] = (),
    names: Names | None = None,
    progress: Callable[[int], None] | None = None,
) -> Closed:
    """Close handles in batches, then look again; what is gone is closed, whatever was answered.

    A handle that was closed by its client in between, or by a request whose answer got lost,
    comes back as an error entry although it is as wished; only the second look tells. Handles of
    the same users on the same files that are new then are reported as reopened, not closed again:
    a client that reconnects at once would win that race for ever.

    :param wanted: the filter that found the handles.
    :param known: handles that it found too and that are not to be closed.
    :param names: remembers holders from one listing to the next.
    :param progress: is told how many handles the cluster has been asked to close so far.
    :raises QumuloError: closing broke off and the handles cannot be listed. If only closing broke
        off, :attr:`Closed.broken` has the reason.
    :raises InputError: the filter has no condition.
    """
    _refuse_all(wanted)

    def look_again(reasons: Sequence[str]) -> Closed:
        return _look_again(client, handles, wanted, known=known, names=names, reasons=reasons)

    try:
        return look_again(_close_batches(client, handles, progress))
    except QumuloError as exc:
        broken = exc
    try:  # some may be closed all the same
        result = look_again([broken.message])
    except QumuloError as exc:
        raise broken from exc
    result.broken = broken
    return result


def _look_again(
    client: Client,
    handles: Sequence[Handle],
    wanted: HandleFilter,
    *,
    known: Sequence[Handle],
    names: Names | None,
    reasons: Sequence[str],
) -> Closed:
    """Tell by a new listing what became of handles that were to be closed.

    :param reasons: what was answered for those that could not be closed.
    """
    present = {handle.location: handle for handle in list_handles(client, wanted, names=names)}
    result = Closed()
    for handle in handles:
        if handle.location in present:
            result.failed.append((handle, _reason(handle, reasons)))
        else:
            result.closed.append(handle)
    seen = {handle.location for handle in (*handles, *known)}
    holders = {(handle.file_id, handle.holder.auth_id) for handle in handles}
    result.reopened = [
        handle
        for location, handle in present.items()
        if location not in seen and (handle.file_id, handle.holder.auth_id) in holders
    ]
    return result


def _close_batches(
    client: Client, handles: Sequence[Handle], progress: Callable[[int], None] | None
) -> list[str]:
    reasons: list[str] = []
    for at in range(0, len(handles), BATCH):
        body = [
            {"handle_info": {"location": handle.location}} for handle in handles[at : at + BATCH]
        ]
        # The SDK closes one handle a call; the endpoint takes a list.
        answer: Any = client.rest.request("POST", "/v1/smb/files/close", body=body)
        reasons.extend(str(entry.get("error_message", "")) for entry in answer or ())
        if progress is not None:
            progress(min(at + BATCH, len(handles)))
    return reasons


def _reason(handle: Handle, reasons: Sequence[str]) -> str:
    """Return what the cluster said of a handle; its entries name no handle but in their text."""
    # 1/12 begins with 1/1, and is another handle.
    named = re.compile(rf"(?<![\w/.]){re.escape(handle.location)}(?![\w/])")
    for reason in reasons:
        if named.search(reason):
            return reason
    distinct = sorted(set(filter(None, reasons)))
    return "; ".join(distinct) or "the handle is still open, and the cluster gave no reason"


def _examples(handles: Sequence[Handle]) -> str:
    shown = "; ".join(handle.describe() for handle in handles[:_SHOWN])
    return shown if len(handles) <= _SHOWN else f"{shown}; and {len(handles) - _SHOWN} more"
