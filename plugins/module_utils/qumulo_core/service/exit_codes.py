# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service ends with, so that systemd and scripts can tell why."""

from __future__ import annotations

OK = 0
FAILED = 1  # something that the message names
USAGE = 2  # the command line or the configuration makes no sense (EX_USAGE of argparse)
ALREADY_RUNNING = 3  # another instance holds the lock of this host
UNCHECKED = 4  # what was asked could not be checked, so it is neither proven nor disproved
