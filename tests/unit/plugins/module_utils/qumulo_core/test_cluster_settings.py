# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import cluster_settings
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    InputError,
    ProtocolError,
)

BEFORE = {"enabled": False, "granularity": "HOUR"}


class Cluster:
    """A client of a cluster that answers a change in its own way."""

    def __init__(self, answer: Any, then: dict[str, Any]) -> None:
        self._answer, self._now, self._then = answer, BEFORE, then
        self.rest = self

    def get(self, _uri: str) -> dict[str, Any]:
        return self._now

    def request(self, _method: str, _uri: str, body: dict[str, Any]) -> Any:
        self._now = self._then
        return self._answer


@pytest.mark.parametrize("answer", [None, {}, {"enabled": True, "granularity": "DAY", "etag": "1"}])
def test_what_the_cluster_has_is_reported(answer: Any) -> None:
    after = {"enabled": True, "granularity": "DAY"}
    cluster: Any = Cluster(answer, after)
    result = cluster_settings.ensure(cluster, {"access_times": {"enabled": True}}, False)
    assert result["changed"] and result["settings"] == {"access_times": after}
    assert result["before"] == {"access_times": BEFORE}


def test_a_setting_that_was_not_made_is_an_error() -> None:
    cluster: Any = Cluster(None, {"enabled": True, "granularity": "HOUR"})
    wanted = {"access_times": {"enabled": True, "granularity": "DAY"}}
    with pytest.raises(ProtocolError, match="granularity is 'HOUR', not 'DAY'"):
        cluster_settings.ensure(cluster, wanted, False)


def test_an_empty_setting_is_refused() -> None:
    cluster: Any = Cluster(None, BEFORE)
    with pytest.raises(InputError, match="access_times is empty"):
        cluster_settings.ensure(cluster, {"access_times": {"enabled": None}}, True)
