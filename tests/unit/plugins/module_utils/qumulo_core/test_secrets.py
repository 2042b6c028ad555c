# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import secrets
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError

TOKEN = "access-v1:abcDEF123+/="


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "  {}  \n\n", "\ufeff{}\n", "\t{}"])
def test_tokens_lose_what_is_around_them(around: str) -> None:
    assert secrets.clean_token(around.format(TOKEN), "it") == TOKEN


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("\n", "a line break"),
        ("\r\n", "a line break"),
        ("\u2028", "a line break"),
        ("\0", "a NUL character"),
        ("\t", "a tab"),
        (" ", "a blank"),
        ("\u00a0", "a blank"),
        ("\x7f", "a control character"),
        ("\u200b", "a control character"),
        ("\u00e9", "not an ASCII character"),
        ("\udc80", "a byte that is not UTF-8"),
    ],
)
def test_tokens_that_are_no_header_are_refused(inside: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        secrets.clean_token(f"SECRET{inside}HIDDEN", "The token")
    message = caught.value.message
    assert message.startswith("The token must hold one access token")
    assert f"character 7 is {told}" in message
    assert "SECRET" not in message and "HIDDEN" not in message


@pytest.mark.parametrize("empty", ["", "\n", " \r\n", "\ufeff"])
def test_an_empty_token_is_refused(empty: str) -> None:
    with pytest.raises(InputError, match="is empty"):
        secrets.clean_token(empty, "The token")


def test_a_token_that_is_a_file_is_refused() -> None:
    with pytest.raises(InputError, match="too long"):
        secrets.clean_token("a" * 10_000, "The token")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("p\n", "p"), ("p\r\n", "p"), (" p ", " p "), ("p \n\n", "p "), ("\u00e9", "\u00e9")],
)
def test_passwords_keep_their_blanks(given: str, meant: str) -> None:
    assert secrets.clean_password(given, "it") == meant


@pytest.mark.parametrize("inside", ["\n", "\0", "\t", "\x1b", "\x85", "\udc80"])
def test_passwords_with_control_characters_are_refused(inside: str) -> None:
    with pytest.raises(InputError) as caught:
        secrets.clean_password(f"SECRET{inside}HIDDEN", "The password")
    assert "as character 7" in caught.value.message
    assert "SECRET" not in caught.value.message and "HIDDEN" not in caught.value.message


def test_user_names_lose_what_is_around_them() -> None:
    assert secrets.clean_username(" CORP\\jane \n", "it") == "CORP\\jane"
    with pytest.raises(InputError):
        secrets.clean_username("ja\nne", "it")


@pytest.mark.parametrize(
    "data",
    [
        TOKEN.encode(),
        TOKEN.encode() + b"\r\n",
        codecs.BOM_UTF8 + TOKEN.encode() + b"\n",
        TOKEN.encode("utf-16"),
        codecs.BOM_UTF16_BE + f"{TOKEN}\r\n".encode("utf-16-be"),
    ],
)
def test_files_of_every_editor_are_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(data)
    assert secrets.read_token(str(path)) == TOKEN
    assert secrets.read_password(str(path)) == TOKEN


@pytest.mark.parametrize(
    "data",
    [b"SECRET\xffHIDDEN", b"\xff\xfeSECRE", b"SECRET\0HIDDEN", b"SECRET\nHIDDEN", b"S" * 70_000],
)
def test_files_that_hold_something_else_are_refused(tmp_path: Path, data: bytes) -> None:
    # No name that another test has masked: the message must have the path.
    path = tmp_path / "of-the-cluster"
    path.write_bytes(data)
    for read in (secrets.read_token, secrets.read_password):
        with pytest.raises(InputError) as caught:
            read(str(path))
        error = caught.value
        assert str(path) in error.message
        assert "SECRE" not in error.message and "HIDDEN" not in error.message
        assert error.__cause__ is None and error.__context__ is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        secrets.read_token(str(tmp_path / "none"))
    with pytest.raises(InputError, match="not a path"):
        secrets.read_token("a\0b")
