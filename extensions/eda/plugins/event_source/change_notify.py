# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source: what happens to files below a directory of a Qumulo cluster."""

from __future__ import annotations

import asyncio
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Event sources are run as scripts, without a package around them.
_LIBRARY = str(Path(__file__).resolve().parents[4] / "plugins" / "module_utils")
if _LIBRARY not in sys.path:
    sys.path.append(_LIBRARY)

from qumulo_core import errors  # noqa: E402
from qumulo_core.change_feed import config  # noqa: E402
from qumulo_core.change_feed.feed import Feed  # noqa: E402
from qumulo_core.change_feed.records import events_of  # noqa: E402
from qumulo_core.common import unexpected  # noqa: E402

DOCUMENTATION = r"""
---
short_description: Follow what happens to files below a directory of a Qumulo cluster
version_added: 1.1.0
description:
  - Follows the change notifications of a directory, and makes events of them.
  - When the connection breaks or the cluster is away, it begins anew by itself, with growing waits in between, at another node if there is one.
    Wrong credentials, a privilege that lacks, and a directory that is not there when it begins end the rulebook with one sentence that says what to do.
  - A cluster does not repeat what it told while nobody listened. With O(checkpoint), the source catches up on that by a tree diff between two
    snapshots, after a break as after a restart, so that no change is missed. It may tell one twice, and does not tell in order what it catches up on.
  - A slow rulebook slows the source down, and that the cluster. Nothing is piled up on this side. If the cluster gives up on a client that is too slow,
    that counts as a break.
  - Secrets never stand in a rulebook. They come from the environment (E(QUMULO_PASSWORD), E(QUMULO_ACCESS_TOKEN)) or from files.
    Without any, the credentials are used that C(qq login) has stored.
  - The account needs the rights of a data administrator to follow what is below directories. With O(checkpoint) it needs C(PRIVILEGE_SNAPSHOT_READ),
    C(PRIVILEGE_SNAPSHOT_WRITE) and C(PRIVILEGE_SNAPSHOT_DIFFERENCE_READ), too.
  - An event has C(change) (V(added), V(removed), V(moved_from), V(moved_to), V(written), V(attributes), V(streams), V(quiet), V(gap) or V(self_removed)),
    C(type) as the cluster names it, C(object) (V(file), V(directory), or null where the cluster does not say), C(path), C(relative_path),
    C(name), C(directory) (the one that is watched), C(file_id) (null for what is gone and caught up), and C(origin), which is V(stream),
    V(catch_up), or V(walk) for what came with a directory that was moved in.
  - An event with C(change) V(gap) says in C(reason) that changes of C(directory) were lost. Its C(path) is null. It is sent whatever O(types), O(include)
    and O(exclude) are, and on its own even with O(batch_size) above 1.
  - With O(batch_size) above 1 an event has C(events), a list of such events, and C(count) instead.
  - Whoever writes files chooses their names. Quote a name that is handed to a playbook (C(urlencode)), or else it is a template of the play.
options:
  path:
    description:
      - Absolute path of the directory. If it is removed and made again, the new one is followed. Set this or O(file_id).
    type: str
  file_id:
    description:
      - ID of the directory, which is digits only. It is followed wherever it is moved. Set this or O(path).
    type: str
  recursive:
    description:
      - Whether what is below directories in it is followed, too.
    type: bool
    default: true
  types:
    description:
      - What is told. V(added), V(removed), V(moved), V(written), V(attributes) and V(streams) are groups.
        Types of the cluster's notifications, such as V(child_acl_changed), can be named, too.
      - A tree diff knows no renames. What is caught up so is told as V(added) and V(removed) when V(moved) is asked for.
    type: list
    elements: str
    default: [added, removed, moved, written]
  include:
    description:
      - Shell patterns of paths to report. By default, all paths are reported. A string is one pattern, including any commas.
      - One without a slash is compared with the name, one that begins with a slash with the whole path, any other with the end of the path. Case counts.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Shell patterns of paths to leave out. A string is one pattern, including any commas.
      - A directory that matches is left out with everything below it. The followed directory itself, and those above, do not count for patterns that do not
        begin with a slash.
    type: list
    elements: str
    default: []
  batch_size:
    description:
      - How many changes are told in one event at the most.
    type: int
    default: 1
  batch_delay:
    description:
      - How long a change waits to be reported together with others, such as V(5s).
      - Needs O(batch_size) above 1, with which the default is V(1s).
    type: str
  checkpoint:
    description:
      - Switches catching up on, and names the snapshots by which it is done. Each rulebook wants a name of its own.
      - Without a checkpoint, only changes from then on are reported. That is so the first time, and also if somebody has deleted the snapshot, or if no
        rulebook ran for 60 days, after which snapshots expire. An event with C(change) V(gap) and a warning in the log say so.
      - Needs O(recursive=true).
    type: str
  checkpoint_interval:
    description:
      - Interval between checkpoints during normal operation. Needs O(checkpoint).
    type: str
    default: 1h
  quiet:
    description:
      - Tell folders in which nothing has changed any more for so long, such as V(1h), instead of each change. Each change begins the period anew.
      - An event then has C(change) V(quiet), the folder's path, and C(changes), how many there were.
    type: str
  quiet_depth:
    description:
      - How many levels below the directory the folders of O(quiet) are. With V(1) they are those directly in it. Needs O(quiet).
    type: int
    default: 1
  poll_interval:
    description:
      - How often to catch up if the cluster does not send recursive notifications. Needs O(checkpoint).
    type: str
    default: 5min
  silence:
    description:
      - A connection without even a keep-alive for so long counts as broken.
    type: str
    default: 45s
  host:
    description:
      - Addresses or names of nodes of the cluster. If not set, E(QUMULO_HOST) is used (several separated by commas).
        They are written as for the modules, such as V(10.0.0.11) or V(2001:db8::1).
    type: list
    elements: str
  port:
    description:
      - Port of the REST API. If not set, E(QUMULO_PORT) is used, or 8000. An empty variable counts as not set.
    type: int
  username:
    description:
      - Name of the account. If not set, E(QUMULO_USERNAME) is used. Its password is in O(password_file) or E(QUMULO_PASSWORD).
    type: str
  password_file:
    description:
      - File with the password of the account.
    type: str
  access_token_file:
    description:
      - File with an access token. It is read again when the cluster refuses a token, so that it can be changed at any time.
      - If no option names a credential, E(QUMULO_ACCESS_TOKEN) is used before user name and password.
    type: str
  credentials_file:
    description:
      - File with the credentials that C(qq login --credentials-store) has written.
    type: str
  validate_certs:
    description:
      - Whether the certificate of the cluster is verified.
    type: bool
    default: true
  ca_path:
    description:
      - File or directory (PEM) with the CA certificate that signed that of the cluster. If not set, E(QUMULO_CA_PATH) is used.
    type: str
  timeout:
    description:
      - Seconds to wait for each answer.
    type: float
    default: 30.0
requirements:
  - python >= 3.9
  - qumulo-api >= 7.2.1
  - requests
author:
  - Lockstep developers (@lockstep)
"""

EXAMPLES = r"""
- name: Tell of every new film, whatever happens in between
  lockstep.qumulo.change_notify:
    host: [10.0.0.11, 10.0.0.12]
    ca_path: /etc/ssl/qumulo-ca.pem
    access_token_file: /etc/ansible/qumulo.token
    path: /media/incoming
    types: [added, moved]
    include: ["*.mov", "*.mxf"]
    checkpoint: new-films

- name: Up to 500 changes in an event, with where the cluster is from the environment
  lockstep.qumulo.change_notify:
    path: /projects
    batch_size: 500
    batch_delay: 5s

- name: Project folders in which nothing has changed for an hour
  lockstep.qumulo.change_notify:
    path: /projects
    quiet: 1h
    checkpoint: quiet-projects
"""

_LOG = logging.getLogger("lockstep.change_notify")
_STEP = "run the rulebook with -vv and report the traceback."
#: Seconds that the end may take.
_PATIENCE = 5.0


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Put events into the queue until the rulebook ends.

    The client blocks, so it runs in a thread. A change counts as delivered once the queue, which
    has room for one event, has taken it.
    """
    try:
        await _follow(queue, args)
        return
    except errors.QumuloError as exc:
        failure = exc
    except Exception as exc:  # pylint: disable=broad-exception-caught
        failure = errors.QumuloError(unexpected.sentence(exc, _STEP))
        _LOG.debug("%s", unexpected.formatted(exc))
    # The rulebook's log shows an exception with its causes, and those can hold a secret.
    raise failure from None


async def _follow(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    options = {name: value for name, value in args.items() if name != "eda_feedback_queue"}
    wanted = config.parse(options)
    feed = Feed(wanted)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="change-notify") as executor:
        feed.start()
        try:
            while records := await loop.run_in_executor(executor, feed.take):
                for event in events_of(records, together=wanted.batch > 1):
                    await queue.put(event)
                feed.done(len(records))
        finally:
            feed.stop()
            await loop.run_in_executor(executor, feed.join, _PATIENCE)
