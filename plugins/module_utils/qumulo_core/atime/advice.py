# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster tells about itself: whose account is used, and what will not work as it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from ..check.findings import OK, Finding
from ..check.probes import look_at_atime
from ..client import Client
from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from ..errors import QumuloError
from ..service.threads import Threads
from .readers import own_account

_LOG = logging.getLogger("lockstep.atime")
#: Seconds between looks: once all is well, and until then.
LOOK, AGAIN = 3600.0, 30.0


class Advisor:
    """Asks the cluster from time to time, in a thread of its own; nothing waits for it.

    :param account: receives the names of the account in use once they are known.
    """

    def __init__(
        self,
        client: Client,
        account: Callable[[list[str]], None],
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._client = client
        self._account = account
        self._stopped = threading.Event()
        #: Why the cluster cannot be queried; empty if it can.
        self._message = ""
        self.findings: list[Finding] = []
        self._threads = Threads(heartbeats)
        self._threads.add("advise", self._run)

    def start(self) -> None:
        """Begin."""
        self._threads.start()

    def stop(self, deadline: float) -> None:
        """End; a request that is under way is not waited for beyond the deadline."""
        self._stopped.set()
        self._threads.join(deadline)

    def failure(self) -> BaseException | None:
        """Return what ended the thread, or None."""
        return self._threads.failure

    def _run(self) -> None:
        while not self._stopped.is_set():
            beats.working("reading the cluster's settings")
            seconds = LOOK if self._look() else AGAIN
            beats.waiting("waiting to read the cluster's settings", seconds)
            self._stopped.wait(seconds)

    def _look(self) -> bool:
        try:
            self._account(_names(self._client.who_am_i()))
        except QumuloError as exc:
            if exc.message != self._message:
                _LOG.warning("the cluster's settings can not be looked at: %s", exc)
            self._message = exc.message
            return False
        self._message = ""
        found = look_at_atime(self._client)
        for finding in found:
            if finding not in self.findings and finding.level != OK:
                _LOG.warning("%s: %s", finding.subject, finding.text)
        self.findings = found
        return all(finding.level == OK for finding in found)


def _names(account: dict[str, Any]) -> list[str]:
    """Return how an account can stand in the audit log."""
    return own_account(*(str(account.get(key) or "") for key in ("name", "id", "sid")))
