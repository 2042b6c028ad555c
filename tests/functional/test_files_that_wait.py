# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FIFOs in place of files: nobody may ever write into them, so nothing waits for that."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    search_client,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.search_engine import (  # noqa: E501
    Engine,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.regular_files import (  # noqa: E501
    MAX_BYTES,
    check_regular,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service import config
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import running_page

Make = Callable[..., Settings]
REFUSED = "is not a regular file: "


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o600)
    return str(path)


@pytest.mark.parametrize("option", ["ca_path", "credentials_file", "access_token_file"])
def test_files_of_a_connection(settings: Make, fifo: str, option: str) -> None:
    changes: dict[str, Any] = {option: fifo}
    if option != "ca_path":
        changes.update(username=None, password=None)
    with pytest.raises(InputError, match=REFUSED), Client(settings(**changes)) as client:
        client.who_am_i()


def test_a_ca_directory_is_no_file(settings: Make, tmp_path: Path) -> None:
    (tmp_path / "fifo").mkdir()
    assert settings(ca_path=str(tmp_path)).ssl_context()


def test_a_configuration(fifo: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=REFUSED):
        config.load(fifo)
    with pytest.raises(InputError, match="is a directory"):
        config.load(str(tmp_path))


def test_the_ca_of_a_search_engine(fifo: str) -> None:
    with pytest.raises(InputError, match=REFUSED):
        search_client.Connection(Engine(url="https://127.0.0.1:9/files", ca_path=fifo))


@pytest.mark.parametrize("option", ["certificate", "private_key"])
def test_the_certificate_of_the_page(
    simulator: Simulator, tmp_path: Path, fifo: str, option: str
) -> None:
    with (
        pytest.raises(InputError, match=REFUSED),
        running_page(simulator, tmp_path, **{option: fifo}),
    ):
        pass


def test_the_renewed_certificate_of_the_page(simulator: Simulator, tmp_path: Path) -> None:
    with running_page(simulator, tmp_path) as page:
        certificate = tmp_path / "server.pem"
        content = certificate.read_bytes()
        certificate.unlink()
        os.mkfifo(certificate, 0o600)
        os.utime(certificate, (1, 1))
        with pytest.raises(InputError, match=REFUSED):
            page.renew_certificate()
        certificate.unlink()
        certificate.write_bytes(content)
        assert page.renew_certificate()


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="is larger than"):
        check_regular(str(path), "'ca_path'")
