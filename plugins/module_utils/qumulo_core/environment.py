# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables with the cluster's address and the credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .common.redaction import remember
from .errors import InputError
from .settings import DEFAULT_PORT, Settings

_SECRET = ("QUMULO_PASSWORD", "QUMULO_ACCESS_TOKEN")


@dataclass(frozen=True)
class Variables:
    """Connection settings from the environment; None where a variable is not set."""

    hosts: tuple[str, ...]
    port: int
    username: str | None
    password: str | None = field(repr=False)
    access_token: str | None = field(repr=False)
    ca_path: str | None

    def settings(
        self,
        *,
        hosts: Sequence[str] = (),
        port: int | None = None,
        ca_path: str | None = None,
    ) -> Settings:
        """Return settings without credentials; what is given wins over the environment.

        :raises InputError: they can not work.
        """
        return Settings(
            hosts=tuple(hosts) or self.hosts,
            port=self.port if port is None else port,
            ca_path=self.ca_path if ca_path is None else ca_path,
        )


def value(name: str, variables: Mapping[str, str] | None = None) -> str | None:
    """Return a variable without surrounding blanks, or None if it is empty or not set.

    Automation controllers set the variables of credentials that were left out to empty strings. A
    secret is masked in all output from then on. Only the line break at the end of a password is
    dropped.

    :param variables: None for those of the process.
    """
    found = (os.environ if variables is None else variables).get(name, "")
    if name in _SECRET:
        remember(found)
    found = found.rstrip("\r\n") if name == "QUMULO_PASSWORD" else found.strip()
    return found or None


def is_port(text: str) -> bool:
    """Tell whether a string is a TCP port number."""
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and 0 < int(text) < 65536


def port(variables: Mapping[str, str] | None = None) -> int | None:
    """Return the port that ``QUMULO_PORT`` names, or None if it is not set.

    :raises InputError: it is not a port.
    """
    text = value("QUMULO_PORT", variables)
    if text is None:
        return None
    if not is_port(text):
        raise InputError(
            f"QUMULO_PORT is '{text}', which is not a TCP port: set it to the port of the "
            "REST API, such as 8000."
        )
    return int(text)


def read(variables: Mapping[str, str] | None = None) -> Variables:
    """Return the connection settings in the environment.

    :param variables: None for those of the process.
    :raises InputError: one makes no sense.
    """
    hosts = value("QUMULO_HOST", variables)
    return Variables(
        hosts=() if hosts is None else (hosts,),
        port=port(variables) or DEFAULT_PORT,
        username=value("QUMULO_USERNAME", variables),
        password=value("QUMULO_PASSWORD", variables),
        access_token=value("QUMULO_ACCESS_TOKEN", variables),
        ca_path=value("QUMULO_CA_PATH", variables),
    )
