# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m qumulo_core.check.main``: a line for each thing that must be right, or a service."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from ..errors import InputError, QumuloError
from ..service import command, exit_codes
from ..service.config import load
from . import config, findings, probes
from .config import Config
from .findings import Finding
from .heartbeat import Heartbeat
from .needs import SERVICES


def check_once(found: Config, *, as_json: bool) -> int:
    """Print a line for each finding; return the exit code."""
    seen: list[Finding] = []
    for finding in probes.run(found.cluster, found.services):
        seen.append(finding)
        sys.stdout.write((json.dumps(vars(finding)) if as_json else finding.line()) + "\n")
        sys.stdout.flush()
    if not as_json:
        sys.stdout.write(f"{findings.summary(seen)}\n")
    return exit_codes.FAILED if findings.worst(seen) == findings.FAILED else exit_codes.OK


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m qumulo_core.check.main", description=__doc__)
    parser.add_argument("--config", help="YAML file; without it QUMULO_HOST and so on are read")
    parser.add_argument("--for", dest="services", help=f"of {', '.join(SERVICES)}; with commas")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument("--check", action="store_true", help="only see whether FILE makes sense")
    parser.add_argument("--serve", action="store_true", help="go on checking, as a service")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _arguments(arguments)
    try:
        if options.config is None:
            services = tuple((options.services or ",".join(SERVICES)).split(","))
            config.check_services(services)
            found = config.from_environment(services)
        else:
            found = config.parse(load(options.config))
        if options.check:
            return exit_codes.OK
        if not options.serve:
            return check_once(found, as_json=options.json)
    except QumuloError as exc:
        return command.refuse(exc, exit_codes.USAGE)
    path = options.config
    if path is None:
        error = InputError("A service needs a configuration: name it with --config.")
        return command.refuse(error, exit_codes.USAGE)
    return command.serve(found, lambda: Heartbeat(path, found))


if __name__ == "__main__":
    raise SystemExit(command.entry(main))
