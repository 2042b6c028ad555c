# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import handover
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import unexpected
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.redaction import (
    masked,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    InputError,
    ProtocolError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.rest.hosts import (
    parse_hosts,
)

MARKER = "access-v1:MARKER"


@pytest.mark.parametrize(
    ("exc", "told"),
    [
        (KeyError(MARKER), "Unexpected KeyError"),
        (ValueError(f"Invalid header value b'Bearer {MARKER}'"), "Unexpected ValueError"),
        (OSError(MARKER), "Unexpected OSError"),
        (OSError(errno.ENOSPC, MARKER, MARKER), "No space left on device (OSError"),
        (MemoryError(MARKER), "Out of memory"),
        (
            UnicodeDecodeError("utf-8", MARKER.encode(), 0, 1, MARKER),
            "UnicodeDecodeError",
        ),
        (InputError("our own words"), "our own words"),
    ],
)
def test_what_nobody_expected_is_a_sentence_without_values(exc: Exception, told: str) -> None:
    text = unexpected.sentence(exc, "report it.")
    assert told in text
    assert "MARKER" not in text and "\n" not in text


def test_the_place_in_the_library_is_named() -> None:
    with pytest.raises(AttributeError) as caught:
        parse_hosts([None], 8000)  # type: ignore[list-item]
    assert "hosts.py line" in unexpected.sentence(caught.value, "report it.")


def test_a_traceback_has_all_that_led_to_it_without_secrets() -> None:
    text = ""
    with masked(MARKER):
        try:
            try:
                raise KeyError(MARKER)
            except KeyError as exc:
                raise ProtocolError("no such field") from exc
        except ProtocolError as exc:
            text = unexpected.formatted(exc)
    assert "Traceback" in text and "KeyError" in text and "no such field" in text
    assert MARKER not in text


def test_a_configuration_of_storagedna_keeps_its_password(tmp_path) -> None:
    assert "MARKER" not in repr(handover.Configuration("/w", "h", 8000, "u", "MARKER"))
    path = tmp_path / "dna.conf"
    path.write_text("[General]\nQumuloUsername=u\nMARKER without an equals sign\n")
    with pytest.raises(handover.ConfigurationError) as caught:
        handover.read_configuration(str(path))
    assert "line 3" in caught.value.message and "MARKER" not in caught.value.message
    path.write_bytes(
        b"\xef\xbb\xbf[General]\r\nFastScanWorkFolder=/w\r\nQumuloClusterIP=h\r\n"
        b"QumuloClusterPort=8000\r\nQumuloUsername=u\r\nQumuloPassword=p a s s\r\n"
    )
    assert handover.read_configuration(str(path)).password == "p a s s"
