# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files: YAML whose every mistake ends in one sentence that names the place."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from ..common import os_reasons
from ..common.secrets import read_password
from ..domain.file_refs import FileRef, by_id, by_path
from ..durations import FixedEnd, Span, parse_period, parse_span, parse_timedelta
from ..errors import InputError, LibraryMissingError
from ..settings import DEFAULT_PORT, Settings
from ..times import format_rfc3339

try:
    import yaml

    _YAML_ERROR: ImportError | None = None
except ImportError as _exc:
    yaml = None  # type: ignore[assignment]
    _YAML_ERROR = _exc

_REQUIRED = object()
#: A configuration is for people to write; a larger one is a mistake, such as a log file.
MAX_BYTES = 1 << 20
#: Names of the credentials that systemd hands over (``LoadCredential=``).
PASSWORD, ACCESS_TOKEN = "password", "access_token"
#: A longer span is a mistake, and too long for timeouts.
_LONGEST = timedelta(weeks=52 * 30)
_SPANS = "such as 30s, 5min or 2h"


class Section:
    """A mapping of the configuration, read key by key; what nobody asked for is a mistake.

    :param data: as YAML gave it.
    :param where: name for messages, such as ``rules[2]``.
    """

    def __init__(self, data: Any, where: str = "") -> None:
        if not isinstance(data, Mapping):
            raise InputError(
                f"{where or 'The configuration'} must be a mapping of names to values."
            )
        self._data: Mapping[Any, Any] = data
        self._where = where
        self._known: set[str] = set()

    def __enter__(self) -> Section:
        return self

    def __exit__(self, kind: object, *exc_info: object) -> None:
        if kind is None:
            self.finish()

    def name(self, key: str) -> str:
        """Return a key with its place, for messages."""
        return f"{self._where}.{key}" if self._where else key

    def has(self, key: str) -> bool:
        """Tell whether a key is there and not null."""
        self._known.add(key)
        return self._data.get(key) is not None

    def finish(self) -> None:
        """Refuse keys that nobody asked for: a misspelt option must not be a silent default.

        :raises InputError: there is one.
        """
        for key in self._data:
            if key not in self._known:
                near = difflib.get_close_matches(str(key), self._known, 1)
                step = f"did you mean '{near[0]}'?" if near else f"there are {self._listed()}."
                raise InputError(f"'{self.name(str(key))}' is not an option: {step}")

    def _listed(self) -> str:
        return ", ".join(sorted(self._known))

    def _value(self, key: str, default: Any) -> Any:
        self._known.add(key)
        value = self._data.get(key)
        if value is not None:
            return value
        if default is _REQUIRED:
            raise InputError(f"'{self.name(key)}' is missing: set it.")
        return default

    def _wrong(self, key: str, wanted: str, value: Any) -> InputError:
        return InputError(f"'{self.name(key)}' must be {wanted}, not {value!r}.")

    # -- values ---------------------------------------------------------------------------------

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        """Return a text that is not empty."""
        value = self._value(key, default)
        if value is default:
            return value  # type: ignore[no-any-return]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise self._wrong(key, "a text", value)
        if not str(value).strip():
            raise self._wrong(key, "a text that is not empty", value)
        return str(value)

    def optional_text(self, key: str) -> str | None:
        """Return a text, or None if there is none."""
        return self.text(key) if self.has(key) else None

    def choice(self, key: str, choices: tuple[str, ...], default: Any = _REQUIRED) -> str:
        """Return one of several texts."""
        value = self.text(key, default)
        if value not in choices:
            raise self._wrong(key, f"one of {', '.join(choices)}", value)
        return value

    def texts(self, key: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """Return a list of texts; a single text stands for a list of one."""
        value = self._value(key, default)
        if value is default:
            return tuple(value)
        listed = [value] if isinstance(value, (str, int)) else value
        if not isinstance(listed, list) or not all(
            isinstance(item, (str, int)) and not isinstance(item, bool) and str(item)
            for item in listed
        ):
            raise self._wrong(key, "a list of texts", value)
        return tuple(str(item) for item in listed)

    def flag(self, key: str, default: Any = _REQUIRED) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def integer(self, key: str, default: Any = _REQUIRED, *, least: int, most: int) -> int:
        """Return a whole number between two bounds."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(key, f"a whole number from {least} to {most}", value)
        return value

    def optional_integer(self, key: str, *, least: int, most: int) -> int | None:
        """Return a whole number between two bounds, or None if there is none."""
        return self.integer(key, least=least, most=most) if self.has(key) else None

    def number(self, key: str, default: Any = _REQUIRED, *, least: float, most: float) -> float:
        """Return a number between two bounds."""
        value = self._value(key, default)
        wanted = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not wanted or not least <= value <= most:
            raise self._wrong(key, f"a number from {least:g} to {most:g}", value)
        return float(value)

    def span(self, key: str, default: Any = _REQUIRED, *, positive: bool = False) -> timedelta:
        """Return a span of time: ``30s``, ``5min``, ``2h``, ``7d``, or a number of seconds.

        :param positive: refuse a span of zero length.
        """
        value = self._value(key, default)
        if isinstance(value, timedelta):
            return value
        span: timedelta | None = None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if 0 <= value <= _LONGEST.total_seconds():
                span = timedelta(seconds=value)
        elif isinstance(value, str):
            try:
                span = parse_timedelta(value)
            except InputError as exc:
                raise InputError(f"'{self.name(key)}': {exc}") from exc
        if span is None or span > _LONGEST:
            raise self._wrong(key, f"a span of time {_SPANS}", value)
        if positive and not span:
            raise InputError(f"'{self.name(key)}' must be greater than zero (for example 1s).")
        return span

    def calendar_span(self, key: str, default: str | None = None) -> Span:
        """Return a span that may be of months or years: ``30d``, ``6mo``, ``10y``."""
        try:
            return parse_span(self.text(key, _REQUIRED if default is None else default))
        except InputError as exc:
            if not self.has(key):
                raise
            raise InputError(f"'{self.name(key)}': {exc}") from exc

    def period(self, key: str) -> Span | FixedEnd:
        """Return a span such as ``30d``, or the end that a date or an RFC 3339 time names.

        YAML parses dates and times without quotes into its own types.
        """
        value = self._value(key, _REQUIRED)
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise self._wrong(key, "a time with its zone, such as 2030-12-31T18:00:00Z", value)
            value = format_rfc3339(value)
        elif isinstance(value, date):
            value = value.isoformat()
        elif isinstance(value, bool) or not isinstance(value, (str, int)):
            raise self._wrong(key, "a span of time (30d) or a date (2030-12-31)", value)
        try:
            return parse_period(str(value))
        except InputError as exc:
            raise InputError(f"'{self.name(key)}': {exc}") from exc

    def file_ref(self) -> FileRef:
        """Return a directory of the cluster, from ``path`` or from ``file_id``."""
        if self.has("path"):
            return by_path(self.text("path"), self.name("path"))
        return by_id(self.text("file_id"), self.name("file_id"))

    def section(self, key: str) -> Section:
        """Return a mapping below; an empty one if it is not there."""
        value = self._value(key, {})
        return Section(value, self.name(key))

    def sections(self, key: str) -> Iterator[Section]:
        """Yield the mappings of a list that must not be empty."""
        value = self._value(key, _REQUIRED)
        if not isinstance(value, list) or not value:
            raise self._wrong(key, "a list with at least one entry", value)
        for number, item in enumerate(value, 1):
            yield Section(item, f"{self.name(key)}[{number}]")


def load(path: str) -> Section:
    """Read a configuration file.

    :raises InputError: it can not be read or is not YAML.
    :raises LibraryMissingError: PyYAML is not installed.
    """
    if _YAML_ERROR is not None:
        raise LibraryMissingError("PyYAML", str(_YAML_ERROR))
    try:
        # Without waiting: nobody may ever write into a FIFO.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
            with open(fd, "rb", closefd=False) as file:
                data = file.read(MAX_BYTES + 1) if is_regular else b""
        finally:
            os.close(fd)
    except OSError as exc:
        failed = f"Cannot read the configuration {path}"
        raise InputError(os_reasons.explain(failed, exc, "Check the path.")) from exc
    if not is_regular:
        raise InputError(
            f"The configuration {path} is not a regular file: name a YAML file, also instead of a "
            "process substitution such as <(command)."
        )
    if len(data) > MAX_BYTES:
        raise InputError(f"The configuration {path} is larger than {MAX_BYTES} bytes.")
    try:
        return Section(yaml.safe_load(data))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"The configuration {path} is not YAML: {exc.problem}{where}.") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise InputError(f"The configuration {path} is not YAML ({exc}).") from exc
    except (ValueError, LookupError, AttributeError, RecursionError) as exc:
        # PyYAML lets these through, such as of a date that the calendar does not have.
        raise InputError(
            f"The configuration {path} has a value that can not be read ({exc}): put texts into "
            "quotes."
        ) from exc


def cluster(section: Section, environment: Mapping[str, str] | None = None) -> Settings:
    """Return how to reach the cluster, from the section ``cluster``.

    Secrets stand in files: named ones, or those that systemd hands to the service under
    ``$CREDENTIALS_DIRECTORY`` as ``access_token`` or ``password``.

    :raises InputError: it makes no sense, or a secret can not be read.
    """
    with section:
        username = section.optional_text("username")
        password_file = section.optional_text("password_file")
        token_file = section.optional_text("access_token_file")
        known = os.environ if environment is None else environment
        credentials = known.get("CREDENTIALS_DIRECTORY")
        if credentials and not (password_file or token_file):
            password_file = _existing(credentials, PASSWORD) if username else None
            token_file = None if username else _existing(credentials, ACCESS_TOKEN)
        if token_file and username:
            raise InputError(
                f"'{section.name('access_token_file')}' and '{section.name('username')}' exclude "
                "each other: choose one way to log in."
            )
        if username and not password_file:
            raise InputError(
                f"There is no password for {username}: set '{section.name('password_file')}', or "
                "hand it over with LoadCredential=password:FILE."
            )
        return Settings(
            hosts=section.texts("host"),
            port=section.integer("port", DEFAULT_PORT, least=1, most=65535),
            username=username,
            password=read_password(password_file) if username and password_file else None,
            access_token_file=token_file,
            credentials_file=section.optional_text("credentials_file"),
            validate_certs=section.flag("validate_certs", True),
            ca_path=section.optional_text("ca_path"),
            timeout=section.number("timeout", 30.0, least=0.1, most=3600),
            retries=section.integer("retries", 10, least=0, most=1000),
        )


def _existing(directory: str, name: str) -> str | None:
    path = os.path.join(directory, name)
    return path if os.path.exists(path) else None
