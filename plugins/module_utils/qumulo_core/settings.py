# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach a cluster and as whom: one immutable value, checked when it is made."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from .common import secrets
from .common.redaction import remember
from .common.regular_files import check_regular
from .errors import InputError
from .rest.hosts import parse_hosts

DEFAULT_PORT = 8000
_TOKEN_VARIABLE = "QUMULO_ACCESS_TOKEN"


@dataclass(frozen=True)
class Settings:
    """Where the cluster is, how it is trusted, who asks, and how patient we are.

    :param hosts: addresses or names of nodes of ONE cluster; any of them serves every request. See
        :mod:`.rest.hosts` for what can be written.
    :param port: port of the REST API.
    :param username: account of the cluster, together with ``password``.
    :param access_token: long-lived bearer token (``access-v1:...``).
    :param access_token_file: file that holds such a token; read again after a 401, so that a
        token can be rotated under a running service.
    :param credentials_file: credentials as ``qq login`` stores them; without any other
        credential, the place where ``qq`` keeps them for each host is looked at.
    :param validate_certs: verify the certificate of the cluster and its name.
    :param ca_path: CA file (PEM) or directory; None means the trust store of the host.
    :param timeout: seconds, for the connection and for each wait for data.
    :param retries: how often a request is sent again at the most.
    :param retry_deadline: seconds that one request may take with all its repetitions.
    :raises InputError: values that can not work, with what to change.
    """

    hosts: tuple[str, ...]
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    access_token_file: str | None = None
    credentials_file: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 30.0
    retries: int = 10
    retry_deadline: float = 120.0

    def __post_init__(self) -> None:
        # Before anything can fail: a message must not quote what it is about.
        for secret in (self.password, self.access_token):
            if secret:
                remember(secret, self)
        if not 0 < self.port < 65536:
            raise InputError(f"{self.port} is not a TCP port: 'port' is 8000 on most clusters.")
        object.__setattr__(self, "hosts", parse_hosts(self.hosts, self.port))
        self._clean("username", secrets.clean_username, "The user name (username)")
        self._clean("password", secrets.clean_password, "The password (password)")
        from_environment = os.environ.get(_TOKEN_VARIABLE, "").strip() == self.access_token
        source = _TOKEN_VARIABLE if from_environment else "access_token"
        self._clean("access_token", secrets.clean_token, f"The access token ({source})")
        if not 0 < self.timeout < float("inf"):  # a NaN is neither
            raise InputError(f"'timeout' must be a number of seconds above 0, not {self.timeout}.")
        if self.retries < 0:
            raise InputError(f"'retries' can not be negative ({self.retries}).")
        if bool(self.username) != (self.password is not None):
            missing = "password" if self.username else "username"
            raise InputError(f"'{missing}' is missing: a user name and a password go together.")

    def _clean(self, field_name: str, clean: Callable[[str, str], str], name: str) -> None:
        value = getattr(self, field_name)
        if value is None:
            return
        cleaned = clean(value, name)
        if cleaned != value:
            object.__setattr__(self, field_name, cleaned)
            if field_name != "username":
                remember(cleaned, self)

    @property
    def can_log_in(self) -> bool:
        """True if a user name and password are at hand to get a new session token."""
        return bool(self.username)

    def ssl_context(self) -> ssl.SSLContext:
        """Return a TLS context for these settings; certificates are verified unless told not to.

        :raises InputError: ``ca_path`` can not be read or holds no certificate.
        """
        if not self.validate_certs:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if self.ca_path is None:
            return ssl.create_default_context()
        try:
            if os.path.isdir(self.ca_path):
                return ssl.create_default_context(capath=self.ca_path)
            check_regular(self.ca_path, "'ca_path'")
            return ssl.create_default_context(cafile=self.ca_path)
        except (OSError, ssl.SSLError) as exc:
            raise InputError(
                f"'ca_path' {self.ca_path} can not be used ({exc}): "
                "name a readable PEM file with the CA certificate of the cluster."
            ) from exc
