"""Account links: which account on a computing is whose, and how that was proven."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from specola.domain.errors import AccountNameError
from specola.domain.person import PersonId

__all__ = [
    "CHALLENGE_LIFE",
    "READ_PROOF",
    "SHOW_ACCOUNT",
    "AccountKey",
    "AccountLink",
    "AccountSeen",
    "Grant",
    "Proof",
    "Purpose",
    "Signature",
    "answers",
    "authorized_line",
    "challenge_line",
    "check_seen",
    "mark_of",
    "valid_account",
]

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}", re.ASCII)
LOWEST_NUMBER = 1000
"""Below it accounts belong to the system on every usual Unix (login.defs(5), UID_MIN)."""
SYSTEM = frozenset(
    [
        "root",
        "toor",
        "admin",
        "administrator",
        "daemon",
        "bin",
        "sys",
        "sync",
        "games",
        "man",
        "lp",
        "mail",
        "news",
        "uucp",
        "proxy",
        "www-data",
        "apache",
        "nginx",
        "httpd",
        "backup",
        "list",
        "irc",
        "gnats",
        "nobody",
        "nfsnobody",
        "operator",
        "halt",
        "shutdown",
        "adm",
        "ftp",
        "sshd",
        "ssh",
        "dbus",
        "messagebus",
        "polkitd",
        "chrony",
        "ntp",
        "rpc",
        "rpcuser",
        "postfix",
        "exim",
        "slurm",
        "slurmdbd",
        "munge",
        "mysql",
        "mariadb",
        "postgres",
        "redis",
        "docker",
        "podman",
        "containerd",
        "kube",
        "etcd",
        "haproxy",
        "sssd",
        "tss",
        "systemd-network",
        "systemd-resolve",
        "systemd-timesync",
        "systemd-coredump",
        "systemd-journal",
        "_apt",
    ]
)
CHALLENGE_LIFE = timedelta(minutes=30)
SHOW_ACCOUNT = "id -u; id -un"
"""What a connection runs to see which account it came to; every shell reads it alike."""
READ_PROOF = f"{SHOW_ACCOUNT}; cat ~/.specola/proof"
"""The one command that a certificate for an account not yet proven can run."""


class Proof(StrEnum):
    """How it was proven that an account is somebody's."""

    ENTERED = "entered"
    """An administrator wrote it down."""
    KEY = "key"
    """The account lets in a key that only whoever controls it can have put there."""
    CHALLENGE = "challenge"
    """Random words were found in the account's home, where only whoever controls it can have put them."""


class Purpose(StrEnum):
    """What a certificate is signed for."""

    WORK = "work"
    PROOF = "proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLink:
    """That an account on a computing is a person's, or, without a `proof`, that they say so.

    `computing` is its name, `entered_by` the administrator who wrote it down, `challenge` what has to be found in the
    account's home until `challenge_ends`.
    """

    id: str
    person: PersonId
    computing: str
    account: str
    created: datetime
    proof: Proof | None = None
    proven: datetime | None = None
    entered_by: PersonId | None = None
    challenge: str = ""
    challenge_ends: datetime | None = None
    last_used: datetime | None = None

    @property
    def is_proven(self) -> bool:
        """Whether the account is known to be the person's."""
        return self.proof is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKey:
    """The public half of a key that the platform made for a computing: a person's, or (`person` None) the shared account's."""

    id: str
    computing: str
    person: PersonId | None
    public: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A certificate that was asked for and granted; it is written down before it is signed."""

    serial: int
    computing: str
    account: str
    person: PersonId
    purpose: Purpose
    fingerprint: str
    request: str
    created: datetime
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the signer may sign: for which account, under which number, until when, and how narrow.

    Parameters
    ----------
    key_id
        What stands in the log of the host's SSH server.
    command
        The one command it can run; empty: any.
    sources
        Networks it can be used from; empty: any.
    """

    serial: int
    account: str
    key_id: str
    created: datetime
    expires: datetime
    command: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """What a connection found where it came to: the account's number and name over there, and the words in its home."""

    number: int
    name: str
    proof: str = ""


def valid_account(text: str) -> str:
    """Return the name of an account, exactly as it was written: an account `Ada` is another one than `ada`.

    Raises
    ------
    AccountNameError
        It is no name, only a number, or one of the system's own.
    """
    if NAME.fullmatch(text) is None:
        raise AccountNameError(text, "is not the name of an account")
    # A number would be read as the account of that number by some programs, and as a name by others.
    if not any(character.isalpha() for character in text):
        raise AccountNameError(text, "is a number, not a name")
    if text.lower() in SYSTEM or text.lower().startswith("systemd-"):
        raise AccountNameError(text, "is an account of the system")
    return text


def check_seen(seen: AccountSeen, account: str) -> None:
    """Make sure that a connection came to the very account that it was meant for, and to a person's.

    Raises
    ------
    AccountNameError
        It is called otherwise over there, or is an account of the system.
    """
    if seen.name != account:
        raise AccountNameError(account, f"is called “{seen.name[:64]}” there")
    if seen.number < LOWEST_NUMBER:
        raise AccountNameError(account, f"has the number {seen.number} there, below {LOWEST_NUMBER}")


def authorized_line(public: str, *, comment: str, sources: Sequence[str] = ()) -> str:
    """Return the line of `authorized_keys` that lets the platform in, and lets it do no more than it needs.

    Parameters
    ----------
    public
        Algorithm and base64.
    sources
        Networks that the platform comes from; empty: from anywhere.

    Notes
    -----
    `restrict` takes everything away but running commands: forwarding of any kind, agents, X11, terminals, and
    `~/.ssh/rc` (sshd(8)). `port-forwarding` gives back connections to ports and Unix sockets, by which tasks are reached.
    """
    options = ["restrict", "port-forwarding"]
    if sources:
        options.append(f'from="{",".join(sources)}"')
    return f"{','.join(options)} {public} {comment}"


def challenge_line(challenge: str) -> str:
    """Return what is typed over there, in any shell, to answer a challenge."""
    return f"mkdir -p -m 700 ~/.specola && echo {challenge} > ~/.specola/proof"


def answers(link: AccountLink, found: str, *, now: datetime) -> bool:
    """Tell whether what was found in an account's home answers the challenge, in time."""
    if not link.challenge or link.challenge_ends is None or link.challenge_ends <= now:
        return False
    return secrets.compare_digest(found.strip().encode(), link.challenge.encode())


def mark_of(computing: str, account: str) -> str:
    """Return the mark under which what is open as an account is closed when its link ends."""
    return f"account:{computing}/{account}"
