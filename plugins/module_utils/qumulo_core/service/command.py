# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of every service's command line: what ends it, and with which exit code."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from ..common import unexpected
from ..errors import QumuloError
from ..process import collect_rarely
from . import daemon, exit_codes, instance, logs
from .sd_notify import Notifier

_LOG = logging.getLogger(__name__)
#: Environment variable that makes a command print the traceback of an unexpected error.
TRACEBACK = "LOCKSTEP_TRACEBACK"


class Served(Protocol):
    """What of a service's configuration is needed before the service is made."""

    @property
    def lock_file(self) -> str:
        """The lock of this host."""

    @property
    def log_format(self) -> str:
        """One of :data:`logs.FORMATS`."""

    @property
    def log_level(self) -> str:
        """One of :data:`logs.LEVELS`."""


def serve(config: Served, make: Callable[[], daemon.Service], *, alone: bool = True) -> int:
    """Run a service until it is told to stop; return its exit code.

    :param make: makes the service; called when the lock is held, for it may open what only one
        process may.
    :param alone: hold the lock of this host; not for one that changes nothing.
    """
    collect_rarely()
    logs.configure(config.log_format, config.log_level)
    lock = instance.SingleInstance(config.lock_file) if alone else contextlib.nullcontext()
    try:
        with lock:
            daemon.run(make(), Notifier())
    except instance.AlreadyRunningError as exc:
        _LOG.error("%s", exc)
        return exit_codes.ALREADY_RUNNING
    except QumuloError as exc:
        _LOG.error("%s", exc)
        return exit_codes.FAILED
    except Exception as exc:  # pylint: disable=broad-exception-caught
        # The log masks secrets in the traceback, too.
        _LOG.error("%s", unexpected.sentence(exc, "report the traceback below."), exc_info=exc)
        return exit_codes.FAILED
    return exit_codes.OK


def entry(main: Callable[[], int]) -> int:
    """Run a command in its own process; return its exit code.

    Unexpected exceptions of the command and of its threads are printed as sentences without
    secrets.
    """
    sys.excepthook = lambda _kind, exc, _traceback: _complain(exc)
    threading.excepthook = lambda found: _complain(found.exc_value)
    sys.unraisablehook = lambda found: _complain(found.exc_value)
    try:
        return main()
    except Exception as exc:  # pylint: disable=broad-exception-caught
        _complain(exc)
        return exit_codes.FAILED


def _complain(exc: BaseException | None) -> None:
    if exc is None or isinstance(exc, (SystemExit, KeyboardInterrupt)):
        return
    with_traceback = bool(os.environ.get(TRACEBACK))
    step = "report the traceback below." if with_traceback else f"set {TRACEBACK}=1 to see where."
    sys.stderr.write(f"{unexpected.sentence(exc, step)}\n")
    if with_traceback:
        sys.stderr.write(unexpected.formatted(exc))


def answer(question: Callable[[], int]) -> int:
    """Do what a person asked for; return the exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # "... failed | head" is no error
    try:
        return question()
    except QumuloError as exc:
        return refuse(exc, exit_codes.FAILED)


def refuse(error: QumuloError, code: int) -> int:
    """Say what is wrong; return the exit code."""
    sys.stderr.write(f"{error}\n")
    return code
