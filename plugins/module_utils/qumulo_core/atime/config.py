# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of the access-time syncer."""

from __future__ import annotations

import ipaddress
import pwd
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ..domain.paths import normalize
from ..errors import InputError
from ..service import config, instance, logs
from ..service.reload import at_start, reloaded
from ..settings import Settings
from .mounts import NFS
from .readers import FORMS, own_account
from .readers import warnings as reader_warnings
from .rules import READS, Rules, compile_rules

STATE = "/var/lib/lockstep/atime"
DEFAULT_METRICS_PORT = 9471
DEFAULT_RELP_PORT = 20514
MOUNT, API = "mount", "api"


@dataclass(frozen=True)
class MountPoint:
    """Where the cluster is mounted.

    :param path: the mount point.
    :param export: the directory of the cluster that is mounted there.
    :param source: what must be mounted, as ``/proc/self/mountinfo`` names it, or None.
    :param types: kinds of file systems that it may be.
    """

    path: str
    export: str
    source: str | None
    types: tuple[str, ...]


@dataclass(frozen=True)
class Config:
    """All that the syncer goes by.

    :param cluster: how to reach the cluster; None if it only works through the mount.
    :param sender: UID of the account that rsyslogd runs as.
    :param way: how times are set: :data:`MOUNT` or :data:`API`.
    :param rules: what counts.
    :param audit_format: form of the lines that will come, if it is known: ``csv`` or ``json``.
    :param window: until a file's time is set; what comes meanwhile is merged.
    :param granularity: a time that is newer by less is not worth a write.
    :param max_future: times further ahead of this host's clock are taken for its present.
    :param max_files: most files that may wait.
    """

    cluster: Settings | None
    address: str = field(metadata=at_start("listen"))
    port: int = field(metadata=at_start("listen"))
    sender: int = field(metadata=at_start("listen"))
    way: str = field(metadata=at_start("set"))
    mount: MountPoint | None
    rules: Rules = field(metadata=reloaded("operations", "include", "exclude", "ignore"))
    audit_format: str | None = field(metadata=reloaded())
    window: timedelta = field(metadata=reloaded())
    granularity: timedelta = field(metadata=reloaded())
    max_future: timedelta = field(metadata=reloaded())
    max_files: int
    workers: int
    max_attempts: int
    spool: str
    metrics_port: int
    lock_file: str
    log_format: str
    log_level: str

    def describe(self) -> str:
        """Return what counts and what becomes of it, for a person."""
        rules = self.rules
        parts = [f"These operations count: {', '.join(rules.operations)}"]
        included = [*(f"below {text}" for text in rules.include_prefixes), *rules.include_globs]
        if included:
            parts.append(f"of what is {' or '.join(included)}")
        excluded = [*(f"below {text}" for text in rules.exclude_prefixes), *rules.exclude_globs]
        if excluded:
            parts.append(f"not of what is {' or '.join(excluded)}")
        readers = [
            *(f"user {name}" for name in rules.users),
            *(f"user {name.partition(':')[2]} (the syncer itself)" for name in rules.own),
            *(f"client {text}" for text in rules.networks),
            *(f"protocol {name}" for name in rules.protocols),
        ]
        if readers:
            parts.append(f"not by {', '.join(readers)}")
        how = "through the API, by file ID"
        if self.mount is not None:
            kinds = " or ".join(self.mount.types) or "any type"
            how = f"through the mount of {self.mount.export} on {self.mount.path} ({kinds})"
        return (
            f"{'; '.join(parts)}. Never what is read in snapshots.\n"
            f"Access times are set {how}, {self.window.total_seconds():g} s after the first use, "
            f"where they are newer by {self.granularity.total_seconds():g} s at least.\n"
            f"Lines come by RELP to {self.address} port {self.port}; {self.max_files} files may "
            "wait at most."
        )

    def warnings(self) -> list[str]:
        """Return a sentence for each option that hardly works with the lines that will come."""
        if self.audit_format is None:
            return []
        return reader_warnings(self.rules.users, self.audit_format)


def parse(section: config.Section) -> Config:
    """Return the configuration of a file.

    :raises InputError: it makes no sense.
    """
    with section:
        way = section.choice("set", (MOUNT, API), MOUNT)
        cluster = None
        if section.has("cluster"):
            cluster = replace(
                config.cluster(section.section("cluster")), retries=3, retry_deadline=20.0
            )
        elif way == API:
            raise InputError("Times are to be set through the API: name the cluster in 'cluster'.")
        mount = None
        if way == MOUNT:
            mount = _mount(section.section("mount"))
        elif section.has("mount"):
            raise InputError("'mount' has no use with 'set: api': leave one of them out.")
        address, port, sender = _listen(section.section("listen"))
        return Config(
            cluster=cluster,
            address=address,
            port=port,
            sender=sender,
            way=way,
            mount=mount,
            rules=_rules(section, cluster),
            audit_format=(
                section.choice("audit_format", FORMS) if section.has("audit_format") else None
            ),
            window=section.span("window", timedelta(seconds=5)),
            granularity=section.span("granularity", timedelta(seconds=60)),
            max_future=section.span("max_future", timedelta(days=1)),
            max_files=section.integer("max_files", 2_000_000, least=1000, most=1 << 40),
            workers=section.integer("workers", 32, least=1, most=500),
            max_attempts=section.integer("max_attempts", 10, least=1, most=1000),
            spool=section.text("spool", f"{STATE}/spool.db"),
            metrics_port=section.integer("metrics_port", DEFAULT_METRICS_PORT, least=0, most=65535),
            lock_file=section.text("lock_file", f"{instance.DIRECTORY}/atime.lock"),
            log_format=section.choice("log_format", logs.FORMATS, "plain"),
            log_level=section.choice("log_level", logs.LEVELS, "info"),
        )


def _listen(section: config.Section) -> tuple[str, int, int]:
    with section:
        address = section.text("address", "127.0.0.1")
        try:
            local = ipaddress.ip_address(address).is_loopback
        except ValueError:
            local = False
        if not local:
            raise InputError(
                f"'{section.name('address')}' is {address}: whoever sends lines decides about "
                "access times, so that only loopback addresses such as 127.0.0.1 are listened on. "
                "Lines of other hosts come through rsyslog."
            )
        port = section.integer("port", DEFAULT_RELP_PORT, least=0, most=65535)
        return address, port, _account(section)


def _account(section: config.Section) -> int:
    """Return the UID of the account that rsyslogd runs as; it is a name or a number."""
    name = section.text("user", "root")
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError) as exc:
        raise InputError(
            f"'{section.name('user')}' is {name!r}, which is not an account of this host: name the "
            "account that rsyslogd runs as, or its UID."
        ) from exc


def _mount(section: config.Section) -> MountPoint:
    with section:
        found = MountPoint(
            path=section.text("path"),
            export=normalize(section.text("export", "/"), option=section.name("export")),
            source=section.optional_text("source"),
            types=section.texts("types", NFS),
        )
        if not found.path.startswith("/"):
            raise InputError(f"'{section.name('path')}' must begin with a slash: '{found.path}'.")
        return found


def _rules(section: config.Section, cluster: Settings | None) -> Rules:
    """Return the rules; what the syncer's own account does never counts."""
    with (
        section.section("include") as include,
        section.section("exclude") as exclude,
        section.section("ignore") as ignore,
    ):
        own = own_account(cluster.username or "") if cluster is not None else []
        rules = Rules(
            operations=section.texts("operations", READS),
            include_prefixes=include.texts("prefixes", ()),
            include_globs=include.texts("globs", ()),
            exclude_prefixes=exclude.texts("prefixes", ()),
            exclude_globs=exclude.texts("globs", ()),
            users=ignore.texts("users", ()),
            networks=ignore.texts("networks", ()),
            protocols=ignore.texts("protocols", ()),
            own=tuple(own),
        )
    compile_rules(rules)  # so that a mistake is found before anything has begun
    return rules
