# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers that do not count, by the kind of name that a person gives.

A line in CSV has one field for the user. The cluster puts there the first of these that it knows:
the name, the UID (of NFS), the SID, the auth ID. A line in JSON has name, SID and auth ID apart.
A number alone therefore names different people, so that each kind has a prefix.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..domain.log_words import NFS, family
from ..errors import InputError

#: Forms of the audit log.
CSV, JSON = "csv", "json"
FORMS = (CSV, JSON)
NAME, UID, AUTH_ID, SID, AD = "name", "uid", "auth_id", "sid", "ad"
_KINDS = (NAME, UID, AUTH_ID, SID, AD)
_SID = re.compile(r"s-1-[0-9]+(-[0-9]+)*", re.ASCII)
_PREFIX = re.compile(r"([A-Za-z_]+):(.*)", re.DOTALL)
_LISTED = r"uid:1000, auth_id:501, sid:S-1-5-..., CORP\name, ad:name or name:TEXT"


@dataclass(frozen=True)
class Reader:
    """One user.

    :param kind: one of ``name`` (as the line has it), ``uid``, ``auth_id``, ``sid``, ``ad``.
    :param value: in lower case.
    """

    kind: str
    value: str

    def matches(self, user: str, protocol: str, auth_id: str, sid: str) -> bool:
        """Tell whether a line's user is this one; ``user`` and ``sid`` are in lower case."""
        value = self.value
        if self.kind == NAME:
            return user == value
        if self.kind == SID:
            return value in (sid, user)
        if self.kind == UID:
            return user == value and family(protocol) == NFS
        if self.kind == AUTH_ID:
            # Where NFS has a number for the user it is a UID.
            return auth_id == value or (not auth_id and user == value and family(protocol) != NFS)
        domain, slash, name = user.partition("\\")
        if slash:
            return bool(domain) and value in (name, user)
        name, at, domain = user.partition("@")
        return bool(at and name and domain) and value in (name, user)


def parse_reader(text: str) -> Reader:
    r"""Return the reader that a person has named.

    ``uid:1000``, ``auth_id:501``, ``sid:S-1-5-...``, ``ad:name`` (of any domain) and ``name:TEXT``
    say which kind is meant. A SID is one without a prefix, too. Everything else, ``CORP\name`` or
    a number, is the name as the line has it.

    :raises InputError: it can match nobody.
    """
    stripped = text.strip()
    if not stripped:
        raise InputError("An empty user matches what has none: leave it out.")
    kind, value = NAME, stripped
    match = _PREFIX.fullmatch(stripped)
    if match is not None:
        kind, value = match[1].lower(), match[2].strip()
        if kind not in _KINDS:
            near = difflib.get_close_matches(kind, _KINDS, 1)
            step = f"did you mean '{near[0]}:{value}'?" if near else f"write {_LISTED}."
            raise InputError(f"'{text}' is not a user: {step}")
        if not value:
            raise InputError(f"'{text}' names no user: put a value after '{kind}:'.")
    elif _SID.fullmatch(stripped.lower()):
        kind = SID
    if kind in (UID, AUTH_ID):
        if not (value.isascii() and value.isdigit()):
            raise InputError(
                f"'{text}' can match nobody, because {kind} takes a number: write {_LISTED}."
            )
        value = value.lstrip("0") or "0"
    elif kind == SID and not _SID.fullmatch(value.lower()):
        raise InputError(
            f"'{text}' can match nobody, because a SID has the form S-1-5-21-...: write {_LISTED}."
        )
    elif kind in (NAME, AD) and "\\\\" in value:
        single = value.replace("\\\\", "\\")
        raise InputError(
            f"'{text}' can match nobody, because names have one backslash: write {single} without "
            "quotes, or in single ones."
        )
    return Reader(kind, value.casefold())


def user_filter(texts: Iterable[str]) -> Callable[[str, str, str, str], bool] | None:
    """Return a function that tells whether user, protocol, auth ID and SID are of one of some.

    :raises InputError: a text can match nobody.
    """
    readers = [parse_reader(text) for text in texts]
    if not readers:
        return None

    def matches(user: str, protocol: str, auth_id: str, sid: str) -> bool:
        user, sid = user.casefold(), sid.casefold()
        return any(reader.matches(user, protocol, auth_id, sid) for reader in readers)

    return matches


def warnings(texts: Iterable[str], form: str) -> list[str]:
    """Return a sentence for each user that a form of the log can hardly match.

    :param form: :data:`CSV` or :data:`JSON`.
    """
    found = []
    for text in texts:
        reader = parse_reader(text)
        if form == CSV and reader.kind in (AUTH_ID, SID):
            found.append(
                f"The user '{text}' matches few lines or none: lines in CSV have "
                f"{'an auth ID' if reader.kind == AUTH_ID else 'a SID'} only where the cluster "
                "knows no name. Name the user as the line has it, or set the log's format to json."
            )
        elif form == JSON and reader.kind == NAME and reader.value.isdigit():
            found.append(
                f"The user '{text}' is compared with names only. Write auth_id:{text} if it is an "
                f"auth ID, or uid:{text} if it is the UID of an NFS user."
            )
    return found


# -- the syncer's own account -------------------------------------------------------------------


def own_account(name: str = "", auth_id: str = "", sid: str = "") -> list[str]:
    """Return the account of the syncer itself, in a form that :func:`parse_reader` takes.

    A name of digits is left out: it would stand for the NFS user who has this UID.
    """
    known = [f"{NAME}:{name}"] if name and not name.isdigit() else []
    known += [f"{AUTH_ID}:{auth_id}"] if auth_id.isdigit() else []
    known += [f"{SID}:{sid}"] if _SID.fullmatch(sid.lower()) else []
    return known


def noted_account(note: str | None) -> list[str]:
    """Return what a spool has noted of the syncer's account.

    Earlier releases noted name, auth ID and SID without saying which is which.
    """
    found = []
    for text in (note or "").split("\n"):
        prefix = text.partition(":")[0]
        if text and prefix in (NAME, AUTH_ID, SID) and ":" in text:
            found.append(text)
        elif text.isdigit():
            found += own_account(auth_id=text)
        elif _SID.fullmatch(text.lower()):
            found += own_account(sid=text)
        else:
            found += own_account(name=text)
    return found
