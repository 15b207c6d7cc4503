"""Failures of the platform itself: its database, keys, data folder, address and processes."""

from specola.domain.errors.kinds import Kind, SpecolaError
from specola.domain.errors.requests import ConflictError, InvalidError

__all__ = [
    "AddressInUseError",
    "CertificateError",
    "DataFolderError",
    "DatabaseError",
    "DatabaseUnavailableError",
    "KeyFileError",
    "LocalPortError",
    "NoTlsError",
    "PlatformRunningError",
    "PlatformUnreachableError",
    "PortError",
    "ProcessFailingError",
    "SchemaError",
    "SealError",
    "UserMissingError",
]


class DatabaseError(SpecolaError):
    """The database cannot be used as it is set up."""

    code = "database"
    kind = Kind.INVALID


class DatabaseUnavailableError(SpecolaError):
    """The database did not answer; nothing of what was asked has been written."""

    code = "database_unavailable"
    kind = Kind.UNAVAILABLE

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            f"The platform's database does not answer{f': {detail}' if detail else ''}.",
            hint="Try again in a few seconds; if it stays, tell an administrator.",
        )


class SchemaError(SpecolaError):
    """The tables in the database are of another version of Specola."""

    code = "schema"
    kind = Kind.CONFLICT

    def __init__(self, found: str, expected: str, *, later: bool) -> None:
        super().__init__(
            f"The database is at revision {found}; this Specola works with {expected}.",
            hint="Install the Specola that made it, or a later one."
            if later
            else "Start `specola up`, which brings it up to date.",
        )
        self.found = found
        self.expected = expected


class KeyFileError(SpecolaError):
    """The key that secrets are sealed with cannot be used."""

    code = "key_file"
    kind = Kind.INVALID

    def __init__(self, path: object, detail: str) -> None:
        super().__init__(
            f"The key file {path} cannot be used: {detail}.",
            hint="Put it back from the backup of the data folder, owned by the user Specola runs as.",
        )


class SealError(SpecolaError):
    """A sealed secret does not open: another key, another place, or changed since."""

    code = "seal"
    kind = Kind.CONFLICT

    def __init__(self, purpose: str) -> None:
        super().__init__(
            f"The secret of {purpose} does not open with this installation's key.",
            hint="Database and key file belong together: restore both from the same backup.",
        )


class UserMissingError(SpecolaError):
    """The machine has no user that the platform could run as."""

    code = "user_missing"
    kind = Kind.INVALID

    def __init__(self, user: str) -> None:
        super().__init__(
            f"There is no user “{user}” on this machine.",
            hint=f"Make it (useradd --system {user}), or name another by SPECOLA_RUN_AS.",
        )


class DataFolderError(SpecolaError):
    """The data folder cannot be used by a command on the host."""

    code = "data_folder"
    kind = Kind.MISSING

    def __init__(self, folder: object, trouble: str) -> None:
        super().__init__(
            f"The data folder {folder} cannot be used: {trouble}.",
            hint="Name the platform's data folder by SPECOLA_DATA; `specola up` makes it.",
        )


class PlatformRunningError(ConflictError):
    """Another `specola up` holds the data folder."""

    code = "platform_running"

    def __init__(self, folder: object, process: str) -> None:
        super().__init__(
            f"The platform in {folder} is running already{f' (process {process})' if process else ''}.",
            hint="End that one first, or name another data folder by SPECOLA_DATA.",
        )


class AddressInUseError(ConflictError):
    """The public address cannot be listened on."""

    code = "address_in_use"

    def __init__(self, address: str, trouble: str) -> None:
        super().__init__(
            f"Specola cannot listen on {address}: {trouble}.",
            hint="Name another address by SPECOLA_BIND, such as 127.0.0.1:8081, or end what uses this one.",
        )


class ProcessFailingError(SpecolaError):
    """A process of the platform ends again and again."""

    code = "process_failing"
    kind = Kind.UNAVAILABLE

    def __init__(self, process: str) -> None:
        super().__init__(
            f"The process “{process}” ends again and again.", hint="What it wrote last, above, says why; mend that."
        )


class PortError(ConflictError):
    """The public address cannot be listened at."""

    code = "port"


class LocalPortError(ConflictError):
    """A port of the person's own machine cannot be listened at."""

    code = "local_port"

    def __init__(self, address: str, detail: str) -> None:
        super().__init__(
            f"{address} of this machine cannot be listened at: {detail}.",
            hint="Leave the port out to get the next free one, or name another, such as INTERFACE:15432.",
        )


class CertificateError(InvalidError):
    """The certificate files of the public port cannot be used."""

    code = "certificate"


class PlatformUnreachableError(SpecolaError):
    """The platform's address gives no answer."""

    code = "platform_unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(
            f"The platform at {url} does not answer: {detail}.",
            hint="Check the address (specola login URL) and whether the platform is running.",
        )


class NoTlsError(ConflictError):
    """Nothing is reached by TLS name, since the gateway itself speaks no TLS."""

    code = "no_tls"

    def __init__(self) -> None:
        super().__init__(
            "Tasks are not reached by TLS name here: the platform's gateway does not speak TLS itself.",
            hint="Use an SSH or WebSocket forwarding, or ask an administrator about tls_cert and tls_key.",
        )
