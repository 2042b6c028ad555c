# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m qumulo_core.lock_manager.main``: the page on which the help desk frees files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..errors import QumuloError
from ..service import command, exit_codes
from ..service.config import load
from . import operator
from .config import parse
from .daemon import LockManager


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m qumulo_core.lock_manager.main", description=__doc__
    )
    parser.add_argument("--config", required=True, help="YAML file")
    parser.add_argument("--check", action="store_true", help="only validate the configuration")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    verify = commands.add_parser("verify", help="check that the record of closed handles is whole")
    verify.add_argument(
        "files", nargs="*", metavar="FILE", help="the oldest first (default: the configured files)"
    )
    verify.add_argument("--expect", metavar="HASH", help="hash that must be in the record")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _arguments(arguments)
    try:
        found = parse(load(options.config))
        if options.check:
            return exit_codes.OK
    except QumuloError as exc:
        return command.refuse(exc, exit_codes.USAGE)
    if options.command is not None:
        return command.answer(lambda: operator.verify(found, options.files, options.expect))
    return command.serve(found, lambda: LockManager(options.config, found))


if __name__ == "__main__":
    raise SystemExit(command.entry(main))
