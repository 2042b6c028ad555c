# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of a stream of change notifications, as they are spelt on the wire.

Line decoder and event decoder are apart, so that a test can drive each by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import ProtocolError

SELF_REMOVED = "self_removed"
#: Bytes that a line may have; events of one line are a few hundred at most.
MAX_LINE = 64 << 20
#: Lines over which the data of one message may be spread.
_MAX_LINES = 16


@dataclass(frozen=True)
class Event:
    """Something that happened below a watched directory.

    :param type: such as ``child_file_added``.
    :param path: relative to the watched directory.
    :param spine: file IDs from the top; the last one is that of the file itself.
    :param stream_name: of a named stream; None for the file's own data.
    """

    type: str
    path: str
    spine: tuple[str, ...]
    stream_name: str | None = None

    @property
    def file_id(self) -> str:
        """ID of the file or directory that it is about."""
        return self.spine[-1]


class LineDecoder:
    """Splits what comes into lines, wherever it was cut."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that are complete, without their ends.

        :raises ProtocolError: a line does not end.
        """
        complete = []
        if b"\n" in data:
            first, *complete, data = data.split(b"\n")
            complete.insert(0, bytes(self._rest) + first)
            self._rest.clear()
        self._rest += data
        for line in complete:
            yield line[:-1] if line.endswith(b"\r") else line
        if len(self._rest) > MAX_LINE:
            raise ProtocolError("A line of the event stream does not end.")


class EventDecoder:
    """Assembles events of lines (the event stream format of HTML, section 9.2).

    Data that are whole count at once, with or without the empty line that should follow: the
    vendor's own client does not wait for one either.
    """

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._size = 0
        self.comments = 0

    def feed(self, line: bytes) -> list[Event]:
        """Take a line; return the events that it completes.

        :raises ProtocolError: what came is not what a cluster sends.
        """
        if line.startswith(b":"):
            self.comments += 1
            return []
        if line:
            field, _colon, value = line.partition(b":")
            if field != b"data":
                return []
            self._data.append(value[1:] if value.startswith(b" ") else value)
            self._size += len(value)
            if self._size > MAX_LINE:
                raise ProtocolError("A message of the event stream does not end.")
            if not value.endswith((b"]", b"}")):
                return []  # it goes on in another line
        if not self._data:
            return []
        data = b"\n".join(self._data)
        try:
            events = decode(data)
        except ProtocolError:
            if line and len(self._data) < _MAX_LINES:
                return []  # more of it may come
            raise
        self._data, self._size = [], 0
        return events


def decode(data: bytes) -> list[Event]:
    """Return the events of the data of one message: a list of objects, or one object.

    :raises ProtocolError: it is something else.
    """
    try:
        listed = json.loads(data.decode())
        if isinstance(listed, dict):
            listed = [listed]
        return [_event(item) for item in listed]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ProtocolError(
            f"The event stream brought something that is no event ({exc})."
        ) from exc


def _event(item: Any) -> Event:
    if not isinstance(item, dict):
        raise ValueError("no object")
    if item["type"] == SELF_REMOVED:
        return Event(SELF_REMOVED, "", ())  # nothing else of it counts
    spine = item["spine"]
    if not isinstance(item["path"], str) or not isinstance(spine, list) or not spine:
        raise ValueError("an event without a path or a file ID")
    event = Event(str(item["type"]), item["path"], tuple(map(str, spine)))
    name = item.get("stream_name")
    return event if name is None else Event(event.type, event.path, event.spine, str(name))
