# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import ssl
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    errors,
    failures,
    sdk,
)


def refusal(status: int, **changes: Any) -> Any:
    values = {
        "status_code": status,
        "status_message": "said",
        "error_class": "some_error",
        "description": "It is so.",
    }
    return SimpleNamespace(**{**values, **changes})


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, errors.InvalidRequestError, False),
        (401, errors.AuthenticationError, False),
        (404, errors.NotFoundError, False),
        (409, errors.ConflictError, False),
        (412, errors.ConflictError, False),
        (418, errors.InvalidRequestError, False),
        (429, errors.BusyError, True),
        (500, errors.ServerError, False),
        (502, errors.BusyError, True),
        (503, errors.BusyError, True),
    ],
)
def test_answers(status: int, kind: type[errors.QumuloError], retryable: bool) -> None:
    failure = failures.answered("GET", "/v1/x?y=z", refusal(status), None)
    assert failure.error.__class__ is kind
    assert failure.error.status == status and failure.error.error_class == "some_error"
    assert failure.retryable is retryable
    assert "\n" not in failure.error.message and "?y=z" not in failure.error.message


@pytest.mark.parametrize(
    ("status", "retry_after", "refused"),
    [(429, None, True), (429, 3.0, True), (503, None, False), (503, 3.0, True), (502, 3.0, False)],
)
def test_when_a_busy_cluster_certainly_did_nothing(
    status: int, retry_after: float | None, refused: bool
) -> None:
    failure = failures.answered("POST", "/v3/snapshots/", refusal(status), retry_after)
    assert failure.refused is refused
    assert failure.wait == (retry_after or 0.0)


def test_a_missing_privilege_is_named() -> None:
    account = {"name": "helpdesk", "privileges": ["PRIVILEGE_A"]}
    failure = failures.forbidden("GET", "/x", refusal(403), "PRIVILEGE_B", account)
    assert isinstance(failure.error, errors.MissingPrivilegeError)
    assert failure.error.privilege == "PRIVILEGE_B" and "helpdesk" in failure.error.message


@pytest.mark.parametrize(
    ("privilege", "account"),
    [(None, None), ("PRIVILEGE_A", {"name": "x", "privileges": ["PRIVILEGE_A"]})],
)
def test_permissions_of_a_file_are_not_a_privilege(privilege: Any, account: Any) -> None:
    failure = failures.forbidden("GET", "/x", refusal(403), privilege, account)
    assert isinstance(failure.error, errors.PermissionDeniedError)


def test_connections_that_do_not_come_about() -> None:
    unknown = failures.connecting("h", 1, socket.gaierror(socket.EAI_NONAME, "no"), alone=True)
    assert "host name 'h' cannot be resolved (no)" in unknown.error.message
    assert isinstance(unknown.error, errors.UnresolvedHostError) and not unknown.retryable
    other = failures.connecting("h", 1, socket.gaierror(socket.EAI_NONAME, "no"), alone=False)
    assert other.retryable
    slow = failures.connecting("h", 1, socket.timeout(), alone=True)
    assert "no answer in time" in slow.error.message and slow.retryable and slow.refused
    mismatch = ssl.SSLCertVerificationError("x")
    mismatch.verify_code = 62
    mismatch.verify_message = "Hostname mismatch."
    assert "'h'" in failures.connecting("h", 1, mismatch, alone=True).error.message
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x")
    plain.reason = "WRONG_VERSION_NUMBER"
    assert "does not speak TLS" in failures.connecting("h", 1, plain, alone=True).error.message


@pytest.mark.parametrize(
    ("status", "retryable"), [(200, True), (503, True), (404, False), (None, False)]
)
def test_bodies_that_are_not_json(status: int | None, retryable: bool) -> None:
    failure = failures.unreadable("h", "GET", "/x", status)
    assert isinstance(failure.error, errors.ProtocolError)
    assert failure.retryable is retryable


def test_a_missing_sdk_names_interpreter_and_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "IMPORT_ERROR", ImportError("No module named 'qumulo'"))
    with pytest.raises(errors.LibraryMissingError) as caught:
        sdk.require()
    assert f"for the interpreter {sys.executable} (No module named" in caught.value.message
    assert caught.value.message.endswith("""with 'pip install "qumulo-api>=7.2.1"'.""")
