# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of what changed, as a browser shows it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.report import (
    report,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from tests.functional.conftest import settings
from tests.functional.test_checkpoints import run
from tests.simulator.harness import Simulator

__all__ = ["settings"]
NIGHTS = 6
FOLDERS = ("apollo", "finance", "marketing", "archive")
SUFFIXES = (".mov", ".pdf", ".docx", ".csv")


def test_the_page_reads_well(
    simulator: Simulator,
    settings: Callable[..., Settings],
    tab: Callable[..., Page],
    keep: Callable[[Page, str], None],
    tmp_path: Path,
) -> None:
    chance = random.Random(4)
    there: list[str] = []
    for night in range(NIGHTS):
        for number in range(chance.randrange(5, 25)):
            folder, suffix = chance.choice(FOLDERS), chance.choice(SUFFIXES)
            there.append(f"/projects/{folder}/{night}-{number}{suffix}")
        for path in {there[-1], *chance.sample(there, len(there) // 3)}:
            content = "x" * chance.randrange(60_000)
            simulator.control("files/put", path=path, content=content)
        simulator.control("files/put", path=f"/projects/apollo/draft{night}")
        options = {"path": "/projects", "auto_commit": True, "keep": NIGHTS}
        with Client(settings()) as client:  # each night is a run of its own
            if night:
                client.rest.fs.delete(path=f"/projects/apollo/draft{night - 1}")
            run(client, tmp_path / "list", **options)
        simulator.control("clock/advance", seconds=24 * 3600)
    wanted = {
        "checkpoint": "nightly",
        "path": "/projects",
        "dest": str(tmp_path / "page.html"),
        "last": NIGHTS,
        "workers": 2,
    }
    with Client(settings()) as client:
        report(client, wanted, False)
    page = tab()
    page.goto((tmp_path / "page.html").as_uri())
    expect(page.locator("svg").first).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not wide
    keep(page, "changes-report")
