# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters that nobody sees, shown: what a page says of a file is what the file is called."""

from __future__ import annotations

import re
from typing import Any

#: Control characters, ends of lines, what turns the direction of a text round, and what is no
#: character at all. Spaces of other scripts and joiners are a part of ordinary names.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def visible(value: Any) -> Any:
    """Return what a template puts into a page, texts with their unseen characters as escapes.

    Whoever writes files chooses their names: ``ad\\u202egnp.exe`` would be read as ``adexe.png``.
    HTML that a template has made is left alone; so is what is escaped already, as the values of
    forms, which come back.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), value)
