# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a feed goes by: options as a rulebook has them, and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from .. import environment
from ..common.secrets import read_password
from ..domain.file_refs import FileRef
from ..errors import InputError
from ..globs import PathFilter
from ..notifications import SILENCE
from ..service.config import Section
from ..settings import Settings
from ..snapshots import check_name
from .records import DEFAULT_GROUPS, expand_types

#: What must not stand in a rulebook, and what to do instead.
_SECRETS = {
    "password": "set QUMULO_PASSWORD, or name a file by 'password_file'",
    "access_token": "set QUMULO_ACCESS_TOKEN, or name a file by 'access_token_file'",
}
MOST_IN_A_BATCH = 10_000


@dataclass(frozen=True)
class Config:
    """What is watched and how it is told.

    :param directory: of the cluster, by its path or its ID.
    :param types: of notifications.
    :param batch: records that are handed on together, at the most.
    :param gather: how long a record waits for others to be handed on with.
    :param checkpoint: name of the snapshots by which to catch up; None: no catching up.
    :param rotate: how old a checkpoint gets while all goes well.
    :param quiet: tell folders that were quiet for so long, instead of each change.
    :param quiet_depth: levels below the directory at which these folders are.
    :param silence: without even a keep-alive, after which a stream counts as dead.
    :param poll: how often to catch up where notifications can not be had.
    """

    cluster: Settings
    directory: FileRef
    recursive: bool
    types: frozenset[str]
    names: PathFilter
    batch: int
    gather: timedelta
    checkpoint: str | None
    rotate: timedelta
    quiet: timedelta | None
    quiet_depth: int
    silence: timedelta
    poll: timedelta


def parse(options: Mapping[str, Any], variables: Mapping[str, str] | None = None) -> Config:
    """Return the configuration of options and environment variables.

    :param variables: None for those of the process.
    :raises InputError: it makes no sense.
    """
    variables = os.environ if variables is None else variables
    for name, step in _SECRETS.items():
        if name in options:
            raise InputError(f"'{name}' does not belong into a rulebook: {step}.")
    with Section(options) as section:
        if section.has("path") == section.has("file_id"):
            raise InputError("The directory must be named by 'path' or by 'file_id', by one.")
        directory = section.file_ref()
        checkpoint = section.optional_text("checkpoint")
        if checkpoint is not None:
            check_name(checkpoint)
        recursive = section.flag("recursive", True)
        if checkpoint is not None and not recursive:
            raise InputError(
                "'checkpoint' catches up with all that is below the directory: leave out "
                "'recursive: false', or 'checkpoint'."
            )
        quiet = section.span("quiet", positive=True) if section.has("quiet") else None
        for option, other in (
            ("quiet_depth", "quiet"),
            ("checkpoint_interval", "checkpoint"),
            ("poll_interval", "checkpoint"),
        ):
            if section.has(option) and not section.has(other):
                raise InputError(
                    f"'{option}' has no effect without '{other}': set that, or leave '{option}' "
                    "out."
                )
        batch = section.integer("batch_size", 1, least=1, most=MOST_IN_A_BATCH)
        if section.has("batch_delay") and batch == 1:
            raise InputError(
                "'batch_delay' has no effect without a 'batch_size' above 1: set that, or leave "
                "'batch_delay' out."
            )
        return Config(
            cluster=_cluster(section, variables),
            directory=directory,
            recursive=recursive,
            types=expand_types(section.texts("types", DEFAULT_GROUPS)),
            names=PathFilter(section.texts("include", ()), section.texts("exclude", ())),
            batch=batch,
            gather=section.span("batch_delay", timedelta(seconds=1 if batch > 1 else 0)),
            checkpoint=checkpoint,
            rotate=section.span("checkpoint_interval", timedelta(hours=1), positive=True),
            quiet=quiet,
            quiet_depth=section.integer("quiet_depth", 1, least=1, most=32),
            silence=section.span("silence", timedelta(seconds=SILENCE), positive=True),
            poll=section.span("poll_interval", timedelta(minutes=5), positive=True),
        )


def _cluster(section: Section, variables: Mapping[str, str]) -> Settings:
    """Return how to reach the cluster; an option wins over a variable, a token over a password."""
    common = environment.read(variables)
    token_file = section.optional_text("access_token_file")
    password_file = section.optional_text("password_file")
    credentials_file = section.optional_text("credentials_file")
    username = section.optional_text("username")
    if password_file is not None and token_file is not None:
        raise InputError("'access_token_file' and 'password_file' exclude each other: choose one.")
    token = common.access_token
    if token_file or password_file or credentials_file or username:
        token = None
    by_name = token is None and token_file is None and credentials_file is None
    password = read_password(password_file) if password_file is not None else common.password
    return replace(
        common.settings(
            hosts=section.texts("host", ()),
            port=section.optional_integer("port", least=1, most=65535),
            ca_path=section.optional_text("ca_path"),
        ),
        username=(username or common.username) if by_name else None,
        password=password if by_name else None,
        access_token=token,
        access_token_file=token_file,
        credentials_file=credentials_file,
        validate_certs=section.flag("validate_certs", True),
        timeout=section.number("timeout", 30.0, least=0.1, most=3600),
        # The feed itself begins anew when something fails.
        retries=3,
        retry_deadline=20.0,
    )
