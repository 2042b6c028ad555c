# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed errors: what went wrong, and in the same sentence what to do about it."""

from __future__ import annotations

import sys
from typing import Any

from .common.redaction import redact

#: The status of an answer to a request that the account may not make.
FORBIDDEN = 403
#: The status of an answer to a request whose condition does not hold.
PRECONDITION_FAILED = 412


class QumuloError(Exception):
    """Base of every error that this package raises on purpose.

    :param message: one sentence for a person, with the next step. Secrets in it are masked, because
        it can quote a lower layer.
    :param status: HTTP status of the answer, if there was one.
    :param error_class: ``error_class`` of the cluster's answer, if there was one.
    :param maybe_applied: the request may have taken effect although no answer said so; only then
        does a caller have to look before it tries again.
    :param details: further facts for programs (JSON types only).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error_class: str | None = None,
        maybe_applied: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        message = redact(message)
        super().__init__(message)
        self.message = message
        self.status = status
        self.error_class = error_class
        self.maybe_applied = maybe_applied
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return self.message


class InputError(QumuloError):
    """An argument makes no sense; nothing was asked of the cluster because of it."""


class LibraryMissingError(QumuloError):
    """A Python library that is needed on this host is not installed."""

    def __init__(self, library: str, reason: str, *, version: str = "") -> None:
        """Name the library, the interpreter and the command.

        :param version: releases that do, such as ``>=7.2.1``.
        """
        wanted = f'"{library}{version}"' if version else library
        super().__init__(
            f"The Python library {library} is not installed for the interpreter {sys.executable} "
            f"({reason}): install it there with 'pip install {wanted}'."
        )
        self.library = library


class LibraryTooOldError(QumuloError):
    """A Python library on this host is older than what the collection needs."""

    def __init__(self, library: str, version: str, oldest: str) -> None:
        """Name the library, the version that is installed, the interpreter and the command."""
        super().__init__(
            f"The Python library {library} {version} of the interpreter {sys.executable} is too "
            f"old: {oldest} or later is needed. Upgrade it there with 'pip install --upgrade "
            f'"{library}>={oldest}"\'.'
        )
        self.library = library


class AuthenticationError(QumuloError):
    """The cluster does not accept the credentials (401)."""


class MissingPrivilegeError(QumuloError):
    """The account is known but its roles lack a privilege (403)."""

    def __init__(self, message: str, *, privilege: str, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.privilege = privilege
        self.details["missing_privilege"] = privilege


class PermissionDeniedError(QumuloError):
    """The permissions of a file or directory refuse the operation (403)."""


class NotFoundError(QumuloError):
    """No such file, directory, snapshot or object (404)."""


class ConflictError(QumuloError):
    """The object is not in the state that the request needs (409, 412)."""


class InvalidRequestError(QumuloError):
    """The cluster refuses the request as it stands (400 and other 4xx)."""


class ServerError(QumuloError):
    """The cluster failed on its side (5xx that is not worth a retry)."""


class BusyError(QumuloError):
    """The cluster asked to come back later (429, 503) until patience ran out."""


class UnreachableError(QumuloError):
    """No address gave an answer in time."""


class UnresolvedHostError(UnreachableError):
    """A host name cannot be resolved to an address."""


class TlsError(QumuloError):
    """The certificate of the cluster can not be trusted."""


class ProtocolError(QumuloError):
    """The answer makes no sense: not JSON, cut off, or without a field it must have."""
