# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make lock-manager``: the lock manager's page, on a simulated cluster with people at work."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path

from tests.simulator.harness import Simulator, start

from .lock_manager_page import running_page

PEOPLE = 300
HANDLES = 1500
PORT = 8443
#: Seconds between two things that somebody does.
PACE = 3.0
DEPARTMENTS = ("finance", "projects", "hr", "marketing", "legal", "engineering")
DOCUMENTS = ("Budget", "Plan", "Forecast", "Minutes", "Contract", "Report", "Schedule", "Review")
SUFFIXES = (".xlsx", ".docx", ".pptx", ".pdf")
NAMES = (
    *("ana", "ben", "chloe", "david", "elif", "femi", "grace", "hugo", "ines", "jane", "kofi"),
    *("lena", "mei", "nils", "omar", "priya", "quinn", "rosa", "sven", "tara", "umar", "vera"),
    *("wei", "xenia", "yusuf", "zoe"),
)


def fill(simulator: Simulator, chance: random.Random) -> list[str]:
    """Let a few hundred people open documents; returns the documents."""
    paths = [
        f"/{department}/{year}/{document} {year}{suffix}"
        for department in DEPARTMENTS
        for year in (2024, 2025, 2026)
        for document in DOCUMENTS
        for suffix in SUFFIXES
    ]
    for path in paths:
        simulator.control("files/put", path=path, content="x")
    for _ in range(HANDLES):
        open_one(simulator, chance, chance.choice(paths))
    budget = "/finance/2026/Budget 2026.xlsx"
    simulator.control("smb/open", user="CORP\\jane", path=budget, address="10.1.2.3", count=2)
    simulator.control(
        "smb/open",
        user="CORP\\stuck",
        path=budget,
        address="10.1.9.9",
        refuse="the node is restarting",
    )
    simulator.control("smb/open", user="CORP\\back", path=budget, address="10.1.9.8", reopen=1)
    return paths


def open_one(simulator: Simulator, chance: random.Random, path: str) -> None:
    """Somebody opens a document, as people do: most of them read."""
    number = chance.randrange(PEOPLE)
    name = f"{NAMES[number % len(NAMES)]}{number // len(NAMES) or ''}"
    writes = chance.random() < 0.3
    simulator.control(
        "smb/open",
        user=f"CORP\\{name}",
        path=path,
        address=f"10.1.{number // 250}.{number % 250 + 1}",
        node=simulator.addresses[number % len(simulator.addresses)],
        access=["read", "write"] if writes else ["read"],
        deny=["write"] if writes else [],
        byte_ranges=[{"offset": 0, "size": 100}] if writes and chance.random() < 0.2 else [],
    )


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="where the page listens")
    port = parser.parse_args().port
    print(f"A simulated cluster with {PEOPLE} people at work ...", flush=True)
    chance = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="lock-manager-") as directory, start() as simulator:
        paths = fill(simulator, chance)
        with running_page(
            simulator, Path(directory), listen_port=port, refresh_interval="5s"
        ) as page:
            print(f"\n  {page.url}\n")
            print("Your browser warns of the certificate, which was made for this run. Log in as")
            for user in ("admin", "helpdesk", "backup"):
                print(f"  {user:<10} {simulator.password(user)}")
            print("and look for 'budget 2026'. Ctrl-C ends it.", flush=True)
            if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
                webbrowser.open(page.url)
            try:
                while not threading.Event().wait(PACE):
                    open_one(simulator, chance, chance.choice(paths))
            except KeyboardInterrupt:
                pass
    print("\nThe cluster is gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
