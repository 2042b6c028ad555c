# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record of the evidence: which file was locked, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..domain.file_refs import by_id
from ..errors import InputError
from ..times import format_rfc3339
from .versions import Version


@dataclass(frozen=True)
class LockRecord:
    """The lock of a file as it was recorded.

    :param size: bytes; None if the record does not have it.
    :param change_time: of the file after the lock; empty in the evidence of earlier releases.
    """

    file_id: str
    path: str
    version: Version
    size: int | None
    change_time: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> LockRecord:
        """Return the record of a line.

        :raises InputError: it is malformed; the message completes a sentence.
        """
        try:
            return cls(
                by_id(str(record["file_id"])).text,
                _text(record, "path"),
                Version.of_record(dict(record)),
                _size(record),
                str(record.get("change_time") or ""),
            )
        except KeyError as exc:
            raise InputError(f"the record is malformed: it has no {exc.args[0]!r}.") from exc
        except (TypeError, ValueError, InputError) as exc:
            raise InputError(f"the record is malformed: {str(exc).rstrip('.')}.") from exc

    def describe(self) -> str:
        """Return the lock in words."""
        parts = []
        if self.version.until is not None:
            parts.append(f"retained until {format_rfc3339(self.version.until)}")
        if self.version.held:
            parts.append("under legal hold")
        return " and ".join(parts) or "not locked"


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record[name]
    if not isinstance(value, str):
        raise TypeError(f"{name!r} is not text")
    return value


def _size(record: Mapping[str, Any]) -> int | None:
    value = record.get("size")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise TypeError("'size' is not a number")
    return value
