# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import events as wire
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ProtocolError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.events import (
    Event,
    EventDecoder,
    LineDecoder,
    decode,
)

EVENTS = st.builds(
    Event,
    st.sampled_from(["child_file_added", "child_data_written", "child_dir_moved_to"]),
    st.text(min_size=1),
    st.lists(st.integers(2, 10**19).map(str), min_size=1, max_size=4).map(tuple),
    st.none() | st.text(),
)
MESSAGES = st.lists(st.lists(EVENTS, min_size=1, max_size=5), max_size=6)


def rendered(events: list[Event], ascii_only: bool = True) -> str:
    return json.dumps([vars(event) for event in events], ensure_ascii=ascii_only)


def fed(chunks: list[bytes]) -> list[Event]:
    lines, decoder = LineDecoder(), EventDecoder()
    return [e for chunk in chunks for line in lines.feed(chunk) for e in decoder.feed(line)]


@given(MESSAGES, st.data(), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_any_split_of_the_bytes_gives_the_same_events(
    messages: list[list[Event]], data: st.DataObject, end: str, empty: bool, ascii_only: bool
) -> None:
    # Without empty lines between messages, too: the vendor's client needs none.
    text = f": watching 2{end}{end}"
    for events in messages:
        text += f"data: {rendered(events, ascii_only)}{end}{end * empty}: keepalive{end}{end}"
    whole = text.encode("utf-8", "surrogatepass" if ascii_only else "replace")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)])]
    expected = fed([whole])
    assert fed(chunks) == expected
    if ascii_only:
        assert expected == [event for events in messages for event in events]


def test_what_is_no_data_is_passed_over() -> None:
    decoder = EventDecoder()
    for line in (b": watching", b":", b"event: x", b"id: 1", b"retry", b"data", b""):
        if line == b"":
            with pytest.raises(ProtocolError):
                decoder.feed(line)
        else:
            assert decoder.feed(line) == []
    assert decoder.comments == 2


def test_data_may_be_spread_over_lines() -> None:
    event = Event("child_file_added", "a]", ("2", "3"))
    decoder = EventDecoder()
    assert decoder.feed(b"data: [") == []
    assert decoder.feed(b'data: {"type": "child_file_added", "path": "a]",') == []
    assert decoder.feed(b'data: "spine": ["2", "3"]}') == []  # ends as if it were whole
    assert decoder.feed(b"data: ]") == [event]
    assert decoder.feed(b"") == []


def test_ids_may_be_numbers_and_one_event_need_not_be_a_list() -> None:
    data = b'{"type": "child_file_added", "path": "a", "spine": [2, 3], "stream_name": null}'
    assert decode(data) == [Event("child_file_added", "a", ("2", "3"))]
    assert decode(data)[0].file_id == "3"


def test_a_directory_that_is_gone_has_no_file_id() -> None:
    assert decode(b'{"type": "self_removed"}') == [Event("self_removed", "", ())]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"7",
        b'"text"',
        b"[7]",
        b'["text"]',
        b"[null]",
        b"[[]]",
        b"{",
        b"[{}]",
        b'[{"type": "child_file_added", "path": "a"}]',
        b'[{"type": "child_file_added", "path": "a", "spine": []}]',
        b'[{"type": "child_file_added", "path": "a", "spine": "23"}]',
        b'[{"type": "child_file_added", "path": null, "spine": ["2"]}]',
        b'[{"type": "child_file_added", "spine": ["2"]}]',
        b'[{"path": "a", "spine": ["2"]}]',
        b'[{"type": "child_file_added", "path": "\xff", "spine": ["2"]}]',
        b"[" * 100_000,
        b"7" * 10_000,
    ],
)
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data)


@given(st.binary(max_size=200))
def test_garbage_never_ends_otherwise(garbage: bytes) -> None:
    try:
        fed([b"data: " + garbage, b"\n\n"])
    except ProtocolError:
        pass


@pytest.mark.parametrize("chunk", [b"x" * 100, b"data: [" + b"x" * 93, b"\n" + b"x" * 99])
def test_a_line_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch, chunk: bytes) -> None:
    monkeypatch.setattr(wire, "MAX_LINE", 1000)
    lines = LineDecoder()
    with pytest.raises(ProtocolError, match="does not end"):
        for _turn in range(20):
            list(lines.feed(chunk.replace(b"\n", b"") if _turn else chunk))


def test_a_message_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_LINE", 1000)
    decoder = EventDecoder()
    with pytest.raises(ProtocolError, match="does not end"):
        for _turn in range(20):
            decoder.feed(b"data: " + b"x" * 99)
