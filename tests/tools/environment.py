# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of commands that a person runs."""

from __future__ import annotations

import os

#: Settings of whoever runs the tests, and of pytest-cov. It would measure each process of
#: ansible-playbook, which takes twice as long and counts nothing: modules run from archives.
_DROPPED = ("ANSIBLE_", "QUMULO_", "COV_CORE_")


def clean_environment() -> dict[str, str]:
    """Return the environment variables of this process without settings of others."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
