# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a filter are looked up in the types and the spelling that the API takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.filters import (
    HandleFilter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.known import (
    check_known,
)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("uid:1000", {"uid": 1000}),
        ("auth_id:500", {"auth_id": "500"}),
        ("S-1-5-21-1-2-3-1103", {"sid": "S-1-5-21-1-2-3-1103"}),
        ("sid:S-1-5-21-1-2-3-1103", {"sid": "S-1-5-21-1-2-3-1103"}),
        ("CORP\\Jane", {"name": "CORP\\Jane"}),
        ("name:2", {"name": "2"}),
    ],
)
def test_users_are_looked_up_as_the_api_takes_them(user: str, expected: dict[str, Any]) -> None:
    asked: list[dict[str, Any]] = []

    def find_identity(**wanted: Any) -> dict[str, Any]:
        asked.append(wanted)
        return {"auth_id": "500", "name": "jane"}

    client: Any = SimpleNamespace(
        rest=SimpleNamespace(auth=SimpleNamespace(find_identity=find_identity))
    )
    assert check_known(client, HandleFilter.make(users=[user]), []) == ([], [])
    assert asked == [expected]
