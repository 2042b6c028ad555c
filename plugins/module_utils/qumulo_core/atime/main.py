# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m qumulo_core.atime.main``: the service, and what people ask it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..errors import QumuloError
from ..service import command, exit_codes
from ..service.config import load
from ..service.operator import SHOWN
from . import operator
from .app import Syncer
from .config import Config, parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lockstep-atime", description="Sets access times by a cluster's audit log."
    )
    parser.add_argument("--config", required=True, help="YAML file")
    parser.add_argument("--check", action="store_true", help="say what counts, and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    status = commands.add_parser("status", help="how the running syncer is")
    failed = commands.add_parser("failed", help="files whose time could not be set")
    failed.add_argument("--limit", type=int, default=SHOWN, help="most lines")
    for each in (status, failed):
        each.add_argument("--json", action="store_true", help="JSON, an object a line")
    retry = commands.add_parser("retry", help="try again what has failed")
    retry.add_argument("files", nargs="*", metavar="FILE", help="as 'failed' shows it")
    retry.add_argument("--all", action="store_true")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)

    def configuration() -> Config:
        return parse(load(options.config))

    try:
        config = configuration()
    except QumuloError as exc:
        return command.refuse(exc, exit_codes.USAGE)
    if options.check:
        return operator.check(config)
    if options.command is None:
        return command.serve(config, lambda: Syncer(configuration))
    return command.answer(lambda: operator.COMMANDS[options.command](config, options))


if __name__ == "__main__":
    raise SystemExit(command.entry(main))
