# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m qumulo_core.atime``: the service, and what people ask it."""

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
from .app import Syncer
from .config import Config, parse

_LOG = logging.getLogger("lockstep.atime")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lockstep-atime", description="Sets access times by a cluster's audit log."
    )
    parser.add_argument("--config", required=True, help="YAML file")
    parser.add_argument("--check", action="store_true", help="say what counts, and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    status = commands.add_parser("status", help="how the running syncer is")
    failed = commands.add_parser("failed", help="files whose time could not be set")
    failed.add_argument("--limit", type=int, default=operator.SHOWN, help="most lines")
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
        sys.stderr.write(f"{exc}\n")
        return exit_codes.USAGE
    if options.check:
        return operator.check(config)
    if options.command is None:
        return _serve(config, configuration)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # "... failed | head" is no error
    try:
        return operator.COMMANDS[options.command](config, options)
    except QumuloError as exc:
        sys.stderr.write(f"{exc}\n")
        return exit_codes.FAILED


def _serve(config: Config, configuration: Callable[[], Config]) -> int:
    logs.configure(config.log_format, config.log_level)
    lock = instance.SingleInstance(config.lock_file)
    try:
        lock.acquire()  # before the spool is opened
        daemon.run(Syncer(configuration), Notifier())
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
