# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs to standard error, from where the journal takes them: plain lines or JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TextIO

from ..common.redaction import redact
from ..times import format_rfc3339

FORMATS = ("plain", "json")
LEVELS = ("debug", "info", "warning", "error")
#: Priorities of sd-daemon(3), which journald reads from the beginning of a line.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a caller passed as ``extra``."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def one_line(text: str) -> str:
    """Return a text in which nothing can end a line or move a cursor.

    File names are chosen by whoever writes files; a log line must stay one line.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class PlainFormatter(logging.Formatter):
    """``message key=value ...``, with a priority for the journal or a time for a terminal."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = "".join(f" {key}={_shown(value)}" for key, value in _fields(record).items())
        text = one_line(record.getMessage()) + fields
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        text = redact(text)
        if self._journal:
            priority = _PRIORITIES.get(record.levelno, 6)
            return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))
        moment = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        return f"{moment} {record.levelname.lower():<7} {text}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        data = {
            "time": format_rfc3339(moment),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            data["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(data, default=str))


def _shown(value: Any) -> str:
    text = one_line(str(value))
    return json.dumps(text, ensure_ascii=False) if not text or " " in text else text


def configure(
    form: str,
    level: str,
    *,
    stream: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Send all logs of the process to standard error.

    :param form: ``plain`` or ``json``.
    :param level: the least level that is shown.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    journal = "JOURNAL_STREAM" in (os.environ if environment is None else environment)
    handler.setFormatter(JsonFormatter() if form == "json" else PlainFormatter(journal=journal))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
