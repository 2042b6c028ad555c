# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What concerns a whole process: for those who start one, never for the library itself."""

from __future__ import annotations

import gc

#: New objects before the young, and collections before the older ones are looked through.
_THRESHOLDS = (20_000, 20, 20)


def collect_rarely() -> None:
    """Let Python's cycle collector look for garbage more rarely than after 700 objects.

    Large listings are millions of objects that stay, and hardly any cycle. Looking through them
    again and again takes as long as all other work with them; reference counts free the rest.
    """
    gc.set_threshold(*_THRESHOLDS)
