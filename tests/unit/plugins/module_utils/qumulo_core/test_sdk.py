# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's SDK: which releases are taken, and that all calls use our connection."""

from __future__ import annotations

import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors, sdk
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings

NUMBERS = st.lists(st.integers(0, 20), min_size=3, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NUMBERS)
def test_releases_before_the_oldest_are_refused(
    monkeypatch: pytest.MonkeyPatch, numbers: list[int]
) -> None:
    version = ".".join(map(str, numbers))
    monkeypatch.setattr(sdk, "VERSION", version)
    if numbers >= [7, 2, 1]:
        sdk.require()
        return
    with pytest.raises(errors.LibraryTooOldError) as caught:
        sdk.require()
    assert f"qumulo-api {version} of the interpreter {sys.executable} is too old" in str(
        caught.value
    )
    assert """'pip install --upgrade "qumulo-api>=7.2.1"'.""" in str(caught.value)


def test_a_release_that_cannot_be_imported_is_named_if_it_is_too_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sdk, "VERSION", "4.0.0")
    monkeypatch.setattr(sdk, "IMPORT_ERROR", ImportError("cannot import name 'Credentials'"))
    with pytest.raises(errors.LibraryTooOldError, match=r"4\.0\.0"):
        sdk.require()


def test_all_calls_of_the_sdk_use_one_connection() -> None:
    # In old releases the SDK makes a connection of its own, which has no credentials.
    with Client(Settings(hosts=("127.0.0.1",), access_token="one")) as client:
        assert client.rest.conninfo is client._connection
        assert client.rest.fs.client.conninfo is client._connection
