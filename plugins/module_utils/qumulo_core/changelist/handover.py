# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hand-over to StorageDNA, as a command: reads its configuration, writes where it looks.

Exit codes are those that its callers know: 0; 1 something could not be read; 4 the folder of the
list can not be written; 23 the configuration is missing, or lacks something.
"""

from __future__ import annotations

import argparse
import configparser
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import environment
from ..client import Client
from ..common.redaction import remember
from ..common.secrets import read_text
from ..errors import InputError, QumuloError
from ..service import command
from ..settings import Settings
from . import runs
from .formats import XML
from .order import API, MOUNT

CONFIGURATION = "/etc/StorageDNA/DNAClientServices.conf"
DONE, UNREADABLE, NO_FOLDER, NO_CONFIGURATION = 0, 1, 4, 23
_SECTION = "General"
_FOLDER = "sdna-scan-files"
_PROJECT = re.compile(r"[A-Za-z0-9{}._-]+")


class ConfigurationError(QumuloError):
    """The configuration is missing, or lacks something."""


@dataclass(frozen=True)
class Configuration:
    """What StorageDNA's configuration says."""

    work_folder: str
    host: str
    port: int
    username: str
    password: str = field(repr=False)


def read_configuration(path: str) -> Configuration:
    """Return what the configuration says.

    :raises ConfigurationError: it is not there, or lacks something.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read_text(path, "configuration"), path)
        section: Mapping[str, str] = parser[_SECTION]
    except InputError as exc:
        raise ConfigurationError(exc.message) from exc
    except (configparser.Error, KeyError) as exc:
        # What the parser says quotes the line, which can be the one with the password.
        line = getattr(exc, "lineno", None) or next(iter(getattr(exc, "errors", ())), (None,))[0]
        where = f" at line {line}" if line else ""
        raise ConfigurationError(
            f"Cannot read the configuration {path} ({type(exc).__name__}{where}): it needs a "
            f"section [{_SECTION}] with lines of the form NAME=VALUE."
        ) from None

    def value(name: str) -> str:
        found = section.get(name, "").strip().strip('"')
        if not found:
            raise ConfigurationError(f"The configuration {path} lacks {name}: add it.")
        return found

    password = value("QumuloPassword")
    remember(password)
    port = value("QumuloClusterPort")
    if not port.isdigit():
        raise ConfigurationError(f"QumuloClusterPort in {path} is '{port}', which is no port.")
    return Configuration(
        value("FastScanWorkFolder"),
        value("QumuloClusterIP"),
        int(port),
        value("QumuloUsername"),
        password,
    )


def make_folder(work_folder: str, project: str) -> str:
    """Make the folder of a project's lists, and return it.

    :raises InputError: the project can not be the name of a folder.
    :raises OSError: it can not be made, or not be written.
    """
    if not _PROJECT.fullmatch(project) or project in (".", ".."):
        raise InputError(f"'{project}' is no GUID of a project: it would be a folder's name.")
    folder = os.path.join(work_folder, _FOLDER, project)
    os.makedirs(folder, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} can not be written")
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", required=True, help="GUID of the project")
    parser.add_argument("--index", type=int, default=1, help="number of the source folder")
    parser.add_argument("--path", help="directory whose changes a checkpoint lists")
    parser.add_argument("--checkpoint", help="name of the consumer; instead of two snapshots")
    for which in ("newer", "older"):
        parser.add_argument(f"--{which}", help=f"name of the {which} snapshot")
        parser.add_argument(f"--{which}-id", type=int, help=f"ID of the {which} snapshot")
    parser.add_argument("--commit", action="store_true", help="say that a list is worked off")
    parser.add_argument("--delivery", type=int, help="which list; by default the newest")
    parser.add_argument("--deletions", action="store_true", help="list what was deleted, too")
    parser.add_argument("--base-path", help="what names are relative to")
    parser.add_argument("--map-to", help="where the base path is mounted; else from the API")
    parser.add_argument("--config", default=CONFIGURATION)
    parser.add_argument("--ca-path", default=environment.value("QUMULO_CA_PATH"))
    parser.add_argument("--workers", type=int, default=16)
    return parser


def _options(arguments: argparse.Namespace, dest: str | None) -> dict[str, Any]:
    return {
        "state": runs.COMMITTED if arguments.commit else runs.LISTED,
        "checkpoint": arguments.checkpoint,
        "path": arguments.path,
        "newer": arguments.newer,
        "newer_id": arguments.newer_id,
        "older": arguments.older,
        "older_id": arguments.older_id,
        "delivery": arguments.delivery,
        "auto_commit": False,
        "keep": 1,
        "status": None,
        "dest": dest,
        "format": XML,
        "attributes": MOUNT if arguments.map_to else API,
        "deletes": arguments.deletions,
        "expand_deleted": False,
        "base_path": arguments.base_path,
        "map_to": arguments.map_to,
        "index": arguments.index,
        "workers": arguments.workers,
        "renames": False,
        "ranges": False,
        "file_locks": False,
        "separate_deletes": False,
        "split": 1,
        "compress": None,
        "owner_names": False,
        "formula_guard": False,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write the list that the arguments name; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        known = read_configuration(arguments.config)
        settings = Settings(
            hosts=(known.host,),
            port=known.port,
            username=known.username,
            password=known.password,
            ca_path=arguments.ca_path,
        )
    except (ConfigurationError, InputError) as exc:
        sys.stderr.write(f"{exc}\n")
        return NO_CONFIGURATION
    try:
        folder = make_folder(known.work_folder, arguments.project)
    except (OSError, InputError) as exc:
        sys.stderr.write(f"The folder of the list can not be written: {exc}\n")
        return NO_FOLDER
    dest = None if arguments.commit else os.path.join(folder, f"{arguments.index}-files.xml")
    try:
        with Client(settings) as client:
            done = runs.run(client, _options(arguments, dest), False)
    except QumuloError as exc:
        sys.stderr.write(f"{exc}\n")
        return UNREADABLE
    for warning in done.get("warnings", ()):
        sys.stderr.write(f"{warning}\n")
    if dest is not None:
        sys.stdout.write(f"{dest}\n")
    return DONE


if __name__ == "__main__":
    raise SystemExit(command.entry(main))
