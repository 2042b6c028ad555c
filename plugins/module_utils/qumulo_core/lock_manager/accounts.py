# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People, as the cluster knows them: there is no other login and no shared token."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..client import Client
from ..common.redaction import masked
from ..common.secrets import clean_password, clean_token, clean_username
from ..errors import InputError, ProtocolError
from .config import Config

#: What the list is made of; without any of them there is none.
NEEDED = {
    "PRIVILEGE_SMB_FILE_HANDLE_READ": "to see which files are open",
    "PRIVILEGE_FS_LOCK_READ": "to see locks and the clients that hold them",
    "PRIVILEGE_IDENTITY_READ": "to see the names of users",
}
TO_CLOSE = "PRIVILEGE_SMB_FILE_HANDLE_WRITE"
TO_TELL_CLIENTS_APART = "PRIVILEGE_SMB_SESSION_READ"
#: Longer input is no name, password or token.
_LONGEST = 4096


@dataclass(frozen=True)
class Account:
    """An account of the cluster, as it says itself after a login."""

    id: str
    name: str
    privileges: frozenset[str]

    @property
    def lacking(self) -> list[tuple[str, str]]:
        """Privileges without which there is no list, each with what it is for."""
        return [(name, use) for name, use in NEEDED.items() if name not in self.privileges]

    def without(self, privilege: str) -> Account:
        """Return the account as it is once the cluster has refused the use of a privilege."""
        return replace(self, privileges=self.privileges - {privilege})

    @property
    def may_see(self) -> bool:
        """True if the list can be had."""
        return not self.lacking

    @property
    def may_close(self) -> bool:
        """True if handles can be closed."""
        return TO_CLOSE in self.privileges

    @property
    def sees_sessions(self) -> bool:
        """True if clients that have the same file open can be told apart."""
        return TO_TELL_CLIENTS_APART in self.privileges


def log_in(config: Config, username: str, password: str) -> tuple[Account, Client]:
    """Log in at the cluster; the password is not kept.

    :returns: the account, and a client that acts as it.
    :raises AuthenticationError: the cluster does not accept them.
    """
    _check(username, "user name")
    _check(password, "password")
    username = clean_username(username, "The user name")
    password = clean_password(password, "The password")
    with masked(password), Client(config.settings()) as nobody:
        answer = nobody.rest.auth.login(username, password)
        try:
            token = str(answer["bearer_token"])
        except (KeyError, TypeError) as exc:
            raise ProtocolError(
                "The login gave no token: is this a Qumulo cluster? "
                "Check 'cluster.host' and 'cluster.port'."
            ) from exc
    return accept_token(config, token)


def accept_token(config: Config, token: str) -> tuple[Account, Client]:
    """Log in with an access token.

    :raises AuthenticationError: the cluster does not accept it.
    :raises InputError: it cannot be a token.
    """
    token = clean_token(token, "The access token")
    client = Client(config.settings(access_token=token))
    try:
        account = read_account(client)
    finally:
        client.close()
    return account, client


def read_account(client: Client) -> Account:
    """Return the account that a client acts as, with its present privileges.

    :raises AuthenticationError: the cluster does not accept the token any more.
    """
    try:
        said = client.who_am_i()
        return Account(str(said["id"]), str(said["name"]), frozenset(said["privileges"] or ()))
    except (KeyError, TypeError) as exc:
        raise ProtocolError("The cluster does not say whose login this is.") from exc


def _check(text: str, what: str) -> None:
    if not text:
        raise InputError(f"The {what} is empty: type it in.")
    if len(text) > _LONGEST:
        raise InputError(f"The {what} is longer than any: check what was pasted.")
