# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URL and login of a search index."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..common.redaction import remember
from ..common.secrets import clean_password
from ..errors import InputError

_INDEX = re.compile(r"""[^-_+\s,*?"<>|#%/\\:][^\s,*?"<>|#%/\\:]*""")


@dataclass(frozen=True)
class Engine:
    """URL and login of an index.

    :param url: of the index: scheme, host, port, perhaps a prefix, and its name.
    :param retries: number of retries of a request.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_path: str | None = None
    timeout: float = 120.0
    retries: int = 5

    def __post_init__(self) -> None:
        _check_url(self.url)
        if not 1 <= self.timeout <= 3600:
            raise InputError(
                f"timeout is {self.timeout}: set it to a number of seconds from 1 to 3600."
            )
        if not 0 <= self.retries <= 20:
            raise InputError(f"retries is {self.retries}: set it to a number from 0 to 20.")
        if self.ca_path and not self.url.startswith("https:"):
            raise InputError("ca_path needs a url with https: change url, or leave ca_path out.")
        _check_login(self.username, self.password)
        if self.password:
            remember(self.password, self)
            cleaned = clean_password(self.password, "password")
            remember(cleaned, self)
            object.__setattr__(self, "password", cleaned)

    @property
    def index(self) -> str:
        """Name of the index."""
        return urlsplit(self.url).path.rstrip("/").rpartition("/")[2]

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc


def _check_url(url: str) -> None:
    example = "write it as https://search.example.com:9200/files."
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError if it is not a number
    except ValueError as exc:
        raise InputError(f"url is not a URL ({exc}): {example}") from exc
    if "@" in parts.netloc:  # without showing the URL, which contains the password
        raise InputError("url must not contain a user name or password: set username and password.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"url '{url}' is not the URL of an index: {example}")
    if parts.query or parts.fragment or any(c.isspace() for c in url):
        raise InputError(f"url '{url}' must end with the name of the index: {example}")
    index = parts.path.rstrip("/").rpartition("/")[2]
    if not _INDEX.fullmatch(index):
        raise InputError(f"url '{url}' does not end with the name of an index: {example}")


def _check_login(username: str | None, password: str | None) -> None:
    if password and not username:
        raise InputError("password is set and username is not: set both, or none.")
    if username and not password:
        raise InputError("username is set and password is not: set both, or none.")
    if username and (":" in username or any(ord(c) < 32 for c in username)):
        raise InputError(f"username {username!r} must not contain ':' or control characters.")
