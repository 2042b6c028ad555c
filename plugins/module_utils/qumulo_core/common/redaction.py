# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mask secrets in text: messages, log lines and tracebacks pass through :func:`redact`.

A secret is registered where it enters the process. From then on neither the secret nor a form
that a lower layer would make of it (escaped, quoted, encoded) gets through.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

MASK = "********"
#: Shorter texts are not masked: they occur in every sentence, and are not secrets.
SHORTEST = 4
#: Shortest line of a secret with several lines that is masked without the others.
_SHORTEST_LINE = 6


def forms_of(secret: str) -> set[str]:
    """Return a secret as it can appear in output: raw, escaped, quoted and encoded."""
    pieces = {secret, secret.strip()}
    pieces.update(
        line for line in re.split(r"[\0-\x1f\x7f]+", secret) if len(line) >= _SHORTEST_LINE
    )
    forms = set(pieces)
    for piece in pieces:
        data = piece.encode("utf-8", "surrogateescape")
        forms |= {
            repr(piece)[1:-1],
            repr(data)[2:-1],
            piece.encode("unicode_escape").decode("ascii"),
            json.dumps(piece)[1:-1],
            json.dumps(piece, ensure_ascii=False)[1:-1],
            html.escape(piece),
            quote(data),
            quote(data, safe=""),
            quote_plus(data),
        }
        if len(data) < _SHORTEST_LINE:
            continue
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The last characters depend on what follows in the encoded text.
            forms.add(encode(data).decode("ascii").rstrip("="))
            forms.add(encode(data[: len(data) // 3 * 3]).decode("ascii"))
    return {form for form in forms if len(form) >= SHORTEST}


class Redactor:
    """Masks the secrets of the process, each for as long as it is held. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a finalizer can run while the same thread holds it
        self._held: Counter[str] = Counter()
        self._pattern: re.Pattern[str] | None = None
        self._stale = False

    def hold(self, secret: str) -> None:
        """Mask a secret until it has been dropped as often as it was held."""
        if len(secret) < SHORTEST:
            return
        with self._lock:
            self._held[secret] += 1
            self._stale = self._stale or self._held[secret] == 1

    def drop(self, secret: str) -> None:
        """Take back one :meth:`hold`."""
        if len(secret) < SHORTEST:
            return
        with self._lock:
            self._held[secret] -= 1
            if self._held[secret] <= 0:
                del self._held[secret]
                self._stale = True

    def forms(self) -> set[str]:
        """Return every text that is masked at present."""
        with self._lock:
            # A copy: a finalizer can drop a secret in the middle of it.
            return {form for secret in list(self._held) for form in forms_of(secret)}

    def redact(self, text: str) -> str:
        """Return a text with all secrets masked."""
        with self._lock:
            if self._stale:
                self._stale = False
                longest_first = sorted(self.forms(), key=lambda form: (-len(form), form))
                joined = "|".join(map(re.escape, longest_first))
                self._pattern = re.compile(joined) if joined else None
            pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)


_REDACTOR = Redactor()
redact = _REDACTOR.redact
forms = _REDACTOR.forms


def remember(secret: str, owner: object | None = None) -> None:
    """Mask a secret from now on.

    :param owner: until this object is gone; None: as long as the process lives.
    """
    _REDACTOR.hold(secret)
    if owner is not None:
        weakref.finalize(owner, _REDACTOR.drop, secret).atexit = False


@contextmanager
def masked(secret: str) -> Iterator[None]:
    """Mask a secret within a ``with`` block."""
    _REDACTOR.hold(secret)
    try:
        yield
    finally:
        _REDACTOR.drop(secret)
