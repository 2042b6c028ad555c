# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request may be sent again, and how long to wait before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from random import Random

BACKOFF_BASE = 0.1  # seconds
BACKOFF_CAP = 5.0  # seconds
RETRY_AFTER_CAP = 60.0  # seconds; a longer wish is refused rather than slept through

#: POST and PATCH requests that may be repeated: they read, or they set an absolute value.
#: Closing a handle is here because a handle is named by a location that is never reused for
#: another one; a repeated close answers with an error entry for that handle, not with damage.
_REPEATABLE = re.compile(
    r"POST /v1/(session/login|files/resolve|identity/(find|expand)|smb/files/close)"
    r"|PATCH /v1/files/[^/]+/(file-lock|info/attributes)"
    r"|PATCH /v3/snapshots/\d+"
    r"|PATCH /v1/(audit/syslog/config|file-system/settings/\w+)"
)


def is_idempotent(method: str, uri: str) -> bool:
    """Tell whether sending the request twice leaves the same state as sending it once."""
    if method in ("GET", "HEAD", "PUT", "DELETE"):
        return True
    path = uri.split("?", 1)[0].rstrip("/")
    return _REPEATABLE.fullmatch(f"{method} {path}") is not None


def backoff(random: Random) -> Iterator[float]:
    """Yield waits in seconds: exponential, with full jitter, for ever.

    Full jitter (a wait between nothing and the current ceiling) spreads clients that failed
    together, which a fixed fraction of jitter does not.
    """
    ceiling = BACKOFF_BASE
    while True:
        yield random.uniform(0, ceiling)
        ceiling = min(BACKOFF_CAP, ceiling * 2)


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, or None without a usable one.

    Both forms of RFC 9110 are read: seconds, and an HTTP date.
    """
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - (now or datetime.now(timezone.utc))).total_seconds())
