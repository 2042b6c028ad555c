# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked, from a file or from the environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from .. import environment
from ..errors import InputError
from ..service import config, instance, logs
from ..service.reload import reloaded
from ..settings import Settings
from .needs import SERVICES


@dataclass(frozen=True)
class Config:
    """What is checked and how often.

    :param every: seconds between two checks when it runs as a service.
    """

    cluster: Settings = field(metadata=reloaded())
    services: tuple[str, ...] = field(metadata=reloaded())
    every: float = field(metadata=reloaded())
    metrics_port: int | None
    lock_file: str
    log_format: str
    log_level: str


def parse(section: config.Section) -> Config:
    """Return the configuration of a file.

    :raises InputError: it makes no sense.
    """
    with section:
        services = section.texts("services", SERVICES)
        check_services(services)
        every = section.span("every", timedelta(minutes=1))
        if every < timedelta(seconds=1):
            raise InputError(f"'{section.name('every')}' must be 1s or more, such as 60s.")
        return Config(
            cluster=config.cluster(section.section("cluster")),
            services=services,
            every=every.total_seconds(),
            metrics_port=section.optional_integer("metrics_port", least=0, most=65535),
            lock_file=section.text("lock_file", f"{instance.DIRECTORY}/check.lock"),
            log_format=section.choice("log_format", logs.FORMATS, "plain"),
            log_level=section.choice("log_level", logs.LEVELS, "info"),
        )


def check_services(services: Sequence[str]) -> None:
    """Refuse services that there are not.

    :raises InputError: one is none of :data:`needs.SERVICES`.
    """
    for service in services:
        if service not in SERVICES:
            raise InputError(f"'{service}' can not be checked: choose from {', '.join(SERVICES)}.")


def from_environment(services: tuple[str, ...]) -> Config:
    """Return a configuration from the variables that the modules read, too.

    :raises InputError: they make no sense.
    """
    found = environment.read()
    with_token = found.access_token is not None
    settings = replace(
        found.settings(),
        username=None if with_token else found.username,
        password=None if with_token else found.password,
        access_token=found.access_token,
        retries=2,
    )
    return Config(settings, services, 60.0, None, "", "plain", "info")
