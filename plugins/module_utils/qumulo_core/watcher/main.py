# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m qumulo_core.watcher``: the service, and what people ask it."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Sequence

from ..errors import QumuloError
from ..service import daemon, exit_codes, instance, logs
from ..service.config import load
from ..service.sd_notify import Notifier
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
        listed.add_argument("--limit", type=int, default=operator.SHOWN, help="most lines")
    retry = commands.add_parser("retry", help="try again what has failed")
    retry.add_argument("ids", nargs="*", metavar="FILE_ID")
    retry.add_argument("--all", action="store_true")
    audit = commands.add_parser("audit", help="look for files that are not locked, and say why")
    audit.add_argument("--excluded", action="store_true", help="show what no rule wants, too")
    for each in (status, pending, failed, audit):
        each.add_argument("--json", action="store_true", help="JSON, an object a line")
    verify = commands.add_parser("verify", help="check a record of locks")
    verify.add_argument("files", nargs="+", metavar="FILE", help="the oldest first")
    verify.add_argument("--cluster", action="store_true", help="compare with the cluster, too")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "verify" and not options.cluster:
            return operator.verify(None, options)
    except QumuloError as exc:
        sys.stderr.write(f"{exc}\n")
        return exit_codes.FAILED
    if options.config is None:
        parser.error("name the configuration with --config FILE")

    def configuration() -> Config:
        return parse(load(options.config))

    try:
        config = configuration()
    except QumuloError as exc:
        sys.stderr.write(f"{exc}\n")
        return exit_codes.USAGE
    if options.check:
        return operator.check(config)
    if options.command is None:
        return _serve(config, options, configuration)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # "... pending | head" is no error
    try:
        if options.command == "verify":
            return operator.verify(config, options)
        return operator.COMMANDS[options.command](config, options)
    except QumuloError as exc:
        sys.stderr.write(f"{exc}\n")
        return exit_codes.FAILED


def _serve(config: Config, options: argparse.Namespace, configuration: Callable[[], Config]) -> int:
    logs.configure(config.log_format, config.log_level)
    lock = instance.SingleInstance(config.lock_file)
    try:
        if options.dry_run:
            _LOG.warning("dry run: nothing is locked, nothing is kept")
        else:
            lock.acquire()  # before the spool is opened
        watcher = Watcher(configuration, dry_run=options.dry_run)
        daemon.run(watcher, Notifier())
    except instance.AlreadyRunningError as exc:
        _LOG.error("%s", exc)
        return exit_codes.ALREADY_RUNNING
    except QumuloError as exc:
        _LOG.error("%s", exc)
        return exit_codes.FAILED
    finally:
        lock.release()
    return exit_codes.OK


if __name__ == "__main__":
    raise SystemExit(main())
