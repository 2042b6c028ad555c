# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m qumulo_core.watcher.main``: the service, and what people ask it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from ..errors import QumuloError
from ..service import command, exit_codes
from ..service.config import load
from ..service.operator import SHOWN
from . import operator
from .app import Watcher
from .config import Config, parse

_LOG = logging.getLogger("lockstep.watcher")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lockstep-watcher", description="Locks files of watched directories once finished."
    )
    parser.add_argument("--config", help="YAML file")
    parser.add_argument("--check", action="store_true", help="say what the rules mean, and end")
    parser.add_argument("--dry-run", action="store_true", help="log what would be locked")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    status = commands.add_parser("status", help="how the running watcher is")
    pending = commands.add_parser("pending", help="files that wait to be locked")
    failed = commands.add_parser("failed", help="files that could not be locked")
    for listed in (pending, failed):
        listed.add_argument("--limit", type=int, default=SHOWN, help="most lines")
    retry = commands.add_parser("retry", help="try again what has failed")
    retry.add_argument("ids", nargs="*", metavar="FILE_ID")
    retry.add_argument("--all", action="store_true")
    commands.add_parser("forget", help="delete the checkpoints of a stopped watcher")
    audit = commands.add_parser("audit", help="look for files that are not locked, and say why")
    audit.add_argument("--excluded", action="store_true", help="show what no rule wants, too")
    for each in (status, pending, failed, audit):
        each.add_argument("--json", action="store_true", help="JSON, an object a line")
    verify = commands.add_parser("verify", help="check that the evidence is as it was written")
    verify.add_argument(
        "files", nargs="*", metavar="FILE", help="the oldest first (default: the configured files)"
    )
    verify.add_argument("--expect", metavar="HASH", help="hash that must be in the evidence")
    verify.add_argument("--cluster", action="store_true", help="compare with the cluster, too")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "verify" and options.files and not options.cluster:
        return command.answer(lambda: operator.verify(None, options))
    if options.config is None:
        parser.error("name the configuration with --config FILE")

    def configuration() -> Config:
        return parse(load(options.config))

    try:
        config = configuration()
    except QumuloError as exc:
        return command.refuse(exc, exit_codes.USAGE)
    if options.check:
        return operator.check(config)
    if options.command is not None:
        return command.answer(lambda: operator.COMMANDS[options.command](config, options))

    def watcher() -> Watcher:
        if options.dry_run:
            _LOG.warning("dry run: nothing is locked, nothing is kept")
        return Watcher(configuration, dry_run=options.dry_run)

    return command.serve(config, watcher, alone=not options.dry_run)


if __name__ == "__main__":
    raise SystemExit(command.entry(main))
