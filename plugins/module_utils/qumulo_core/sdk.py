# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where the vendor's SDK is imported.

The guard lets this package be imported where the SDK is missing (a control node, a documentation
build); :func:`require` then says so when a client is made.
"""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

from .errors import LibraryMissingError, LibraryTooOldError

#: The oldest release that the collection works with.
OLDEST = "7.2.1"

VERSION = ""  # of the SDK that is installed
try:
    import qumulo

    VERSION = getattr(qumulo, "__version__", "") or metadata.version("qumulo-api")
    from qumulo.lib import auth
    from qumulo.lib.auth import Credentials, CredentialsError
    from qumulo.lib.request import (
        APIException,
        Connection,
        HTTPSConnectionWithSocketOptions,
        RequestError,
        RestResponse,
    )
    from qumulo.rest_client import RestClient

    IMPORT_ERROR: ImportError | None = None
except ImportError as exc:  # a missing distribution is one, too
    IMPORT_ERROR = exc
    # Stand-ins that are never instantiated: `require` is called before any of them could be.
    APIException = RequestError = CredentialsError = type("Unavailable", (Exception,), {})
    Connection = HTTPSConnectionWithSocketOptions = RestClient = object
    Credentials = RestResponse = auth = None

__all__ = [
    "APIException",
    "Connection",
    "Credentials",
    "CredentialsError",
    "HTTPSConnectionWithSocketOptions",
    "RequestError",
    "RestClient",
    "RestResponse",
    "load_credentials",
    "require",
]


def require() -> None:
    """Make sure that the SDK is there.

    :raises LibraryTooOldError: it is too old; the message names its version.
    :raises LibraryMissingError: it is not there; the message names the package to install.
    """
    if VERSION and _numbers(VERSION) < _numbers(OLDEST):
        raise LibraryTooOldError("qumulo-api", VERSION, OLDEST)
    if IMPORT_ERROR is not None:
        raise LibraryMissingError("qumulo-api", str(IMPORT_ERROR), version=f">={OLDEST}")


def load_credentials(host: str, port: int, store: str | None) -> Any:
    """Return the credentials that ``qq login`` stored, or None.

    Releases before 7.10.2 have one file for all clusters, and later ones a file for each host.

    :param store: the file that ``qq --credentials-store`` named.
    """
    if hasattr(auth, "load_credentials"):
        return auth.load_credentials(host, port, store)
    return auth.get_credentials(store or auth.credential_store_filename())


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", version))
