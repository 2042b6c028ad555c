# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's clock that was set back: change times after that are older than they should be.

How far the cluster's clock is ahead of the host's is noted with the time of each catch-up. If the
cluster's clock is behind what the host's clock makes of that, it was set back.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

from ..service.spool import Spool
from .requests import CLOCK_ERROR
from .rules import Root

_LOG = logging.getLogger("lockstep.watcher")
#: Begin earlier by this, because the two clocks may have drifted apart.
_ALLOWANCE = timedelta(seconds=5)


def note_name(root_id: str) -> str:
    """Return the name of the note of how far the cluster's clock is ahead of the host's."""
    return f"ahead:{root_id}"


def note(now: datetime) -> str:
    """Return what to note.

    :param now: by the cluster's clock.
    """
    return str((now - datetime.now(timezone.utc)).total_seconds())


def by_how_much(spool: Spool, root: Root, now: datetime) -> timedelta:
    """Return by how much the cluster's clock was set back since the note; zero if it was not.

    :param now: by the cluster's clock.
    """
    ahead = spool.parsed_note(note_name(root.id), _parse)
    if ahead is None:
        return timedelta(0)
    back = ahead - (now - datetime.now(timezone.utc))
    return back if back > CLOCK_ERROR else timedelta(0)


def begin_earlier(since: datetime, back: timedelta, root: Root) -> datetime:
    """Return since when files count after the cluster's clock was set back."""
    if not back:
        return since
    _LOG.warning(
        "the cluster's clock was set back by %s since the last catch-up with %s: looking for files "
        "that have changed since then and up to %s before",
        timedelta(seconds=round(back.total_seconds())),
        root.path,
        timedelta(seconds=round((back + _ALLOWANCE).total_seconds())),
    )
    return since - back - _ALLOWANCE


def _parse(text: str) -> timedelta:
    ahead = timedelta(seconds=float(text))
    if abs(ahead) > timedelta(days=3650):
        raise ValueError(f"{text} s is too much")
    return ahead
