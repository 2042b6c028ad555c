# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work of an account that is not root, wherever the tests run."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Of ``nobody``: it owns nothing.
OTHER = 65534


@contextmanager
def place_of_other() -> Iterator[Path]:
    """Make a directory that belongs to that account, and that it can reach."""
    made = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(made, OTHER, OTHER)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def as_other(work: Callable[[], object]) -> None:
    """Do something in a process of that account; fail if it raises.

    The interpreter itself may lie where only root can read, so nothing is executed.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(OTHER, OTHER, OTHER)
                os.setresuid(OTHER, OTHER, OTHER)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _pid, status = os.waitpid(child, 0)
    assert status == 0
