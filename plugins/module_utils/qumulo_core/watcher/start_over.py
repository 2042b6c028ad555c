# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Continue without snapshots after a damaged spool was moved aside.

With snapshots, the cluster knows where the watcher was. Without them, only the spool does: the time
up to which everything is in it. The notes of a damaged spool can often be read all the same.
"""

from __future__ import annotations

import logging

from ..errors import InputError
from ..service import damage
from ..service.sqlite import SqliteSpool
from ..times import format_rfc3339, parse_rfc3339
from .config import Config

_LOG = logging.getLogger("lockstep.watcher")
_WALKED = "walked:"


def restore_times(spool: SqliteSpool, config: Config) -> None:
    """Take the times of the last walks from the spool that was moved aside last.

    Files that waited then are looked for, too: the walk begins earlier by the quiet period.
    """
    damaged = spool.damaged()
    if config.use_snapshots or not damaged or not spool.is_new:
        return
    earlier = max(rule.quiet for rule in config.rules)
    times = {}
    for name, value in damage.notes(damaged[-1]).items():
        if name.startswith(_WALKED):
            try:
                times[name] = format_rfc3339(parse_rfc3339(value) - earlier)
            except (InputError, OverflowError):
                continue
    if times:
        spool.set_notes(**times)
    else:
        _LOG.error(
            "the damaged spool %s does not tell what has been done: files that waited in it are "
            "locked only when they change. 'lockstep-watcher audit' lists them.",
            damaged[-1],
        )
