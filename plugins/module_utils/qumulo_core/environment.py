# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment variables that say where the cluster is and who asks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .errors import InputError
from .settings import DEFAULT_PORT, Settings


@dataclass(frozen=True)
class Variables:
    """What the environment says of a cluster; None where it says nothing."""

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


def read(variables: Mapping[str, str] | None = None) -> Variables:
    """Return what the variables say.

    :param variables: None for those of the process.
    :raises InputError: one makes no sense.
    """
    variables = os.environ if variables is None else variables
    port = variables.get("QUMULO_PORT") or str(DEFAULT_PORT)
    if not port.isdigit():
        raise InputError(f"QUMULO_PORT is '{port}', and not a number.")
    return Variables(
        hosts=tuple(filter(None, variables.get("QUMULO_HOST", "").split(","))),
        port=int(port),
        username=variables.get("QUMULO_USERNAME") or None,
        password=variables.get("QUMULO_PASSWORD") or None,
        access_token=variables.get("QUMULO_ACCESS_TOKEN") or None,
        ca_path=variables.get("QUMULO_CA_PATH") or None,
    )
