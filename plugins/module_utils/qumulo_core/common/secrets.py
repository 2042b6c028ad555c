# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check secrets and user names where they enter; no message contains their value."""

from __future__ import annotations

import codecs
import os
import stat
import unicodedata

from ..errors import InputError

#: A larger file is not a secret, but was named by mistake.
MAX_BYTES = 1 << 16
#: An HTTP header of more bytes is refused by most servers.
LONGEST_TOKEN = 8192
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def clean_token(text: str, name: str) -> str:
    """Return an access token without the blanks and line breaks around it.

    :param name: what it is called in a message, such as ``'access_token'``.
    :raises InputError: it is empty, or cannot be sent in an HTTP header.
    """
    token = text.lstrip("\ufeff").strip()
    if not token:
        raise InputError(f"{name} is empty: it must hold an access token.")
    if len(token) > LONGEST_TOKEN:
        raise InputError(f"{name} is too long ({len(token)} characters) for an access token.")
    for position, character in enumerate(token, 1):
        if not "!" <= character <= "~":
            raise InputError(
                f"{name} must hold one access token and nothing else: character {position} is "
                f"{_described(character)}, which cannot be sent in an HTTP header. Copy the token "
                "again."
            )
    return token


def clean_password(text: str, name: str) -> str:
    """Return a password without trailing line breaks; blanks are part of it.

    :param name: what it is called in a message, such as ``'password'``.
    :raises InputError: it is empty, or holds a control character.
    """
    password = text.rstrip("\r\n")
    if not password:
        raise InputError(f"{name} is empty: it must hold a password.")
    _refuse_controls(password, name, "a password")
    return password


def clean_username(text: str, name: str) -> str:
    """Return the name of an account without the blanks and line breaks around it.

    :param name: what it is called in a message, such as ``'username'``.
    :raises InputError: it holds a control character.
    """
    username = text.strip()
    _refuse_controls(username, name, "a user name")
    return username


def _refuse_controls(text: str, name: str, what: str) -> None:
    for position, character in enumerate(text, 1):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise InputError(
                f"{name} has {_described(character)} as character {position}, which cannot be "
                f"part of {what}: enter it again."
            )


def _described(character: str) -> str:
    """Return what a character is, without showing a part of a secret."""
    if character in "\r\n\v\f\x85\u2028\u2029":
        return "a line break"
    if character == "\t":
        return "a tab"
    if character == "\0":
        return "a NUL character"
    if character.isspace():
        return "a blank"
    category = unicodedata.category(character)
    if category == "Cs":
        return "a byte that is not UTF-8"
    return "a control character" if category in ("Cc", "Cf") else "not an ASCII character"


def read_text(path: str, what: str) -> str:
    """Return the text of a small file in UTF-8, or in UTF-16 with a byte order mark.

    :param what: name of the kind of file in a message, such as ``password file``.
    :raises InputError: it cannot be read; the message contains nothing of its content.
    """
    try:
        # Without waiting: nobody may ever write into a FIFO.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_BYTES + 1) if is_regular else b""
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not a path"
        raise InputError(
            f"Cannot read the {what} {path} ({reason}): check path and permissions."
        ) from exc
    if not is_regular:
        raise InputError(
            f"The {what} {path} is not a regular file: write the content into a file with mode "
            "0600 and name that, also instead of a process substitution such as <(command)."
        )
    if len(data) > MAX_BYTES:
        raise InputError(f"The {what} {path} is larger than {MAX_BYTES} bytes: check the path.")
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        pass
    # Outside of the handler, because the handled exception contains the data.
    raise InputError(f"The {what} {path} is not text in UTF-8: save it again as UTF-8.")


def read_token(path: str) -> str:
    """Return the access token that a file holds.

    :raises InputError: it cannot be read, or holds something else.
    """
    return clean_token(read_text(path, "access token file"), f"The access token file {path}")


def read_password(path: str) -> str:
    """Return the password that a file holds, without the end of its line.

    :raises InputError: it cannot be read, or holds something else.
    """
    return clean_password(read_text(path, "password file"), f"The password file {path}")
