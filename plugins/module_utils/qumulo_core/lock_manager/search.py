# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody looks for: words typed into one box, links, and a column to sort by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from ..errors import InputError
from ..smb_locks.filters import HandleFilter
from ..smb_locks.handles import Handle

SORTS = ("path", "user", "client", "access", "locks", "node", "seen")
#: Longer input finds nothing anyway.
LONGEST = 1024
_TERM = re.compile(r'"([^"]*)"?|(\S+)')
#: ``\\server\share\`` and ``Z:\`` are the client's words for something above the path.
_UNC = re.compile(r"^\\\\[^\\]+\\[^\\]+(?=\\|$)")
_DRIVE = re.compile(r"^[A-Za-z]:(?=[\\/])")


def fold(text: str) -> str:
    """Return text for a comparison in which case and the way of writing accents do not count."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text.casefold())


def search_key(handle: Handle) -> str:
    """Return all that the box searches in a handle, folded."""
    return fold("\n".join((handle.path, handle.holder.label, *handle.addresses)))


def terms(text: str) -> list[tuple[str, ...]]:
    """Return what must be found, each term with its spellings of which one is enough.

    Quotes keep words together. A path that was pasted from Windows finds the file: its server
    and share, or its drive, are left out, and it may have spaces without quotes.
    """
    text = text.strip()
    unquoted = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    local = _DRIVE.sub("", _UNC.sub("", unquoted))
    if local != unquoted:
        return [(fold(local.replace("\\", "/")),)] if local else []
    found: list[tuple[str, ...]] = []
    for quoted, plain in _TERM.findall(text):
        term = fold(quoted or plain)
        if term:
            # CORP\jane is a user, projects\apollo a path.
            found.append((term, term.replace("\\", "/")) if "\\" in term else (term,))
    return found


@dataclass(frozen=True)
class Query:
    """A view of the list, as its address says it.

    :param text: what was typed.
    :param path: a file, or a directory with everything below.
    :param user: one user, in the words of :class:`filters.UserFilter`.
    :param client: an address or network.
    :param file: ID of a file that is looked at alone.
    :param opened: IDs of files whose handles are shown one by one.
    :param page: from 1.
    """

    text: str = ""
    path: str = ""
    user: str = ""
    client: str = ""
    file: str = ""
    sort: str = "path"
    descending: bool = False
    page: int = 1
    opened: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Query:
        """Return the view that the parameters of an address mean.

        :raises InputError: one of them makes no sense.
        """
        texts = {name: params.get(name, "").strip() for name in ("path", "user", "client", "file")}
        text = params.get("q", "").strip()
        for value in (text, *texts.values()):
            if len(value) > LONGEST:
                raise InputError(
                    f"More than {LONGEST} characters find nothing: shorten the search."
                )
        sort = params.get("sort", "") or "path"
        if sort.lstrip("-") not in SORTS:
            raise InputError(f"There is no such column to sort by: use {', '.join(SORTS)}.")
        page = params.get("page", "") or "1"
        if not re.fullmatch(r"[0-9]{1,7}", page) or int(page) < 1:
            raise InputError("There is no such page: pages are counted from 1.")
        opened = params.get("open", "")
        if not re.fullmatch(r"[0-9,]{0,2000}", opened) or not re.fullmatch(
            r"[0-9]{0,20}", texts["file"]
        ):
            raise InputError("The IDs of files are numbers.")
        query = cls(
            text=text,
            sort=sort.lstrip("-"),
            descending=sort.startswith("-"),
            page=int(page),
            opened=frozenset(filter(None, opened.split(","))),
            **texts,
        )
        query.handle_filter()
        return query

    def handle_filter(self) -> HandleFilter:
        """Return the conditions other than the typed text.

        :raises InputError: one of them makes no sense.
        """
        return HandleFilter.make(
            file_ids=[self.file] if self.file else None,
            directories=[self.path] if self.path else (),
            users=[self.user] if self.user else (),
            clients=[self.client] if self.client else (),
        )

    @property
    def selection(self) -> tuple[str, ...]:
        """What decides which handles are found, whatever their order."""
        return (self.text, self.path, self.user, self.client, self.file)

    def params(self) -> dict[str, str]:
        """Return the parameters that :meth:`parse` reads, those at their default left out."""
        sort = ("-" if self.descending else "") + self.sort
        found = {
            "q": self.text,
            "path": self.path,
            "user": self.user,
            "client": self.client,
            "file": self.file,
            "sort": "" if sort == "path" else sort,
            "page": "" if self.page == 1 else str(self.page),
            "open": ",".join(sorted(self.opened)),
        }
        return {name: value for name, value in found.items() if value}

    def link(self, **changes: object) -> str:
        """Return the address of this view with some changes; it begins with ``?``."""
        return "?" + urlencode(replace(self, **changes).params())  # type: ignore[arg-type]

    def sorted_by(self, column: str) -> str:
        """Return the address that sorts by a column, or turns its order."""
        turned = self.sort == column and not self.descending
        return self.link(sort=column, descending=turned, page=1)

    def toggled(self, file_id: str) -> str:
        """Return the address with the handles of a file opened out, or folded up."""
        return self.link(opened=self.opened ^ {file_id})
