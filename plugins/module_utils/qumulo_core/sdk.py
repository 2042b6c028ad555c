# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where the vendor's SDK is imported.

The guard lets this package be imported where the SDK is missing (a control node, a documentation
build); :func:`require` then says so when a client is made.
"""

from __future__ import annotations

from .errors import LibraryMissingError

try:
    from qumulo.lib.auth import Credentials, CredentialsError, load_credentials
    from qumulo.lib.request import (
        APIException,
        Connection,
        HTTPSConnectionWithSocketOptions,
        RequestError,
        RestResponse,
    )
    from qumulo.rest_client import RestClient

    IMPORT_ERROR: ImportError | None = None
except ImportError as exc:
    IMPORT_ERROR = exc
    # Stand-ins that are never instantiated: `require` is called before any of them could be.
    APIException = RequestError = CredentialsError = type("Unavailable", (Exception,), {})
    Connection = HTTPSConnectionWithSocketOptions = RestClient = object
    Credentials = RestResponse = load_credentials = None

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

    :raises LibraryMissingError: it is not; the message names the package to install.
    """
    if IMPORT_ERROR is not None:
        raise LibraryMissingError("qumulo-api", str(IMPORT_ERROR), version=">=7.2.1")
