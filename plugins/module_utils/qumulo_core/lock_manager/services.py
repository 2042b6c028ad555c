# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the pages work with, made once."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from ..common.heartbeats import Heartbeats
from ..errors import QumuloError
from .config import Config
from .counters import Counters
from .jobs import Jobs
from .lib import Environment, FileSystemLoader, StrictUndefined
from .login_queue import LoginQueue
from .plans import Plans
from .privilege_checks import PrivilegeChecks
from .records import Records
from .sessions import Session, Sessions
from .throttle import Throttle
from .visible import visible
from .watch import Watches

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class Services:
    """The parts of a running page.

    :param stopping: set when whoever waits for something should give up.
    """

    config: Config
    counters: Counters
    sessions: Sessions
    watches: Watches
    checks: PrivilegeChecks
    throttle: Throttle
    logins: LoginQueue
    plans: Plans
    jobs: Jobs
    records: Records
    templates: Environment
    stopping: threading.Event
    heartbeats: Heartbeats

    @classmethod
    def make(cls, config: Config, heartbeats: Heartbeats | None = None) -> Services:
        """Make the parts and join them; nothing is asked of the cluster yet."""
        heartbeats = Heartbeats() if heartbeats is None else heartbeats
        counters = Counters()

        def ended(session: Session) -> None:
            watches.detach(session.account.id, session.id)
            checks.forget(session.id)

        def refused(session_id: str, error: QumuloError) -> None:
            checks.refused(session_id, error)

        sessions = Sessions(
            idle=config.idle_timeout.total_seconds(),
            lifetime=config.session_lifetime.total_seconds(),
            limit=config.max_sessions,
            per_account=config.max_sessions_per_account,
            ended=ended,
        )
        watches = Watches(
            interval=config.refresh_interval,
            counters=counters,
            rejected=sessions.close,
            refused=refused,
            heartbeats=heartbeats,
        )
        checks = PrivilegeChecks(sessions, watches, heartbeats)
        records = Records(config.audit_file)
        return cls(
            config=config,
            counters=counters,
            sessions=sessions,
            watches=watches,
            checks=checks,
            throttle=Throttle(),
            logins=LoginQueue(),
            plans=Plans(config.max_close),
            jobs=Jobs(records, counters, heartbeats),
            records=records,
            templates=Environment(
                loader=FileSystemLoader(os.path.join(HERE, "templates")),
                autoescape=True,
                undefined=StrictUndefined,
                finalize=visible,
                trim_blocks=True,
                lstrip_blocks=True,
            ),
            stopping=threading.Event(),
            heartbeats=heartbeats,
        )

    def stop(self) -> None:
        """End what runs in the background."""
        self.watches.stop()
        self.checks.stop()
        self.jobs.stop()
