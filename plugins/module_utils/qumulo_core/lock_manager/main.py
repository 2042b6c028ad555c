# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m qumulo_core.lock_manager``: the page on which the help desk frees files."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from ..errors import QumuloError
from ..service import daemon, exit_codes, instance, logs
from ..service.config import load
from ..service.sd_notify import Notifier
from .config import parse
from .daemon import LockManager

_LOG = logging.getLogger(__name__)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m qumulo_core.lock_manager", description=__doc__)
    parser.add_argument("--config", required=True, help="YAML file")
    parser.add_argument("--check", action="store_true", help="only see whether FILE makes sense")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _arguments(arguments)
    try:
        found = parse(load(options.config))
        if options.check:
            return exit_codes.OK
    except QumuloError as exc:
        sys.stderr.write(f"{exc}\n")
        return exit_codes.USAGE
    logs.configure(found.log_format, found.log_level)
    try:
        with instance.SingleInstance(found.lock_file):
            daemon.run(LockManager(options.config, found), Notifier())
    except instance.AlreadyRunningError as exc:
        _LOG.error("%s", exc)
        return exit_codes.ALREADY_RUNNING
    except QumuloError as exc:
        _LOG.error("%s", exc)
        return exit_codes.FAILED
    return exit_codes.OK


if __name__ == "__main__":
    raise SystemExit(main())
