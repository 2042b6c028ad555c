# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Summaries of handles: counts by user, client and node, and lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .handles import Handle


def count(handles: Sequence[Handle]) -> dict[str, Any]:
    """Return counts of all handles by user, client and node, largest first, and totals.

    A handle that can belong to several clients or nodes counts for each of them.
    """
    users = Counter(handle.holder.label for handle in handles)
    clients = Counter(address for handle in handles for address in handle.addresses)
    nodes = Counter(node for handle in handles for node in handle.nodes)
    return {
        "users": dict(users.most_common()),
        "clients": dict(clients.most_common()),
        "nodes": dict(nodes.most_common()),
        "totals": {
            "handles": len(handles),
            "files": len({handle.file_id for handle in handles}),
            "users": len(users),
            "clients": len(clients),
            "can_lose_work": sum(handle.can_lose_work for handle in handles),
        },
    }


def holders(handles: Sequence[Handle], limit: int) -> list[str]:
    """Return a line for each user, client and risk, with the number of handles.

    :param limit: maximum number of lines; a last line counts the rest.
    """
    groups = Counter(
        (handle.holder.label, " or ".join(handle.addresses), ", ".join(handle.reasons))
        for handle in handles
    )
    lines = [
        f"{user}{f' from {client}' if client else ''}: "
        f"{number} handle{'' if number == 1 else 's'}, {risk or 'cannot lose work'}"
        for (user, client, risk), number in sorted(groups.items())
    ]
    return _limited(lines, limit)


def describe(handles: Sequence[Handle], limit: int) -> str:
    """Return handles for a diff, a line each.

    :param limit: maximum number of lines; a last line counts the rest.
    """
    lines = [handle.describe() for handle in handles[: limit + 1]]
    lines = _limited(lines, limit, total=len(handles))
    return "".join(f"{line}\n" for line in lines)


def _limited(lines: list[str], limit: int, *, total: int | None = None) -> list[str]:
    total = len(lines) if total is None else total
    if total <= limit:
        return lines
    return [*lines[:limit], f"and {total - limit} more"]
