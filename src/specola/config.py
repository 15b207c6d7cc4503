"""Settings that more than one process reads; what one part alone needs stands beside that part."""

import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)
from typing_extensions import override

from specola.domain.durations import parse_duration
from specola.domain.errors import InvalidError

__all__ = ["Limits", "Settings", "default_data"]


def default_data() -> Path:
    """Return the data folder used unless SPECOLA_DATA names another."""
    if os.geteuid() == 0:
        return Path("/var/lib/specola")
    return Path.home() / ".local/share/specola"


class Limits(BaseSettings):
    """What one person may hold and ask for."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    live_tasks: Annotated[int, Field(ge=1)] = 20
    cpus: Annotated[float | None, Field(gt=0)] = None
    """None: as many as its computing has."""
    memory: Annotated[int | None, Field(gt=0)] = None
    """None: as much as its computing has."""


class Settings(BaseSettings):
    """Read from the environment (SPECOLA_…), then from `specola.yaml` in the data folder; unknown keys are refused."""

    model_config = SettingsConfigDict(env_prefix="SPECOLA_", env_nested_delimiter="__", extra="forbid", frozen=True)

    data: Path = Field(default_factory=default_data)
    """Where everything is kept: database, keys, homes, sockets."""
    bind: str = "127.0.0.1:8080"
    """Address and port of the one public listener."""
    public_url: str = ""
    """What people type; empty: http://localhost:PORT (https with a certificate)."""
    tasks_domain: str = ""
    """Tasks are served at <interface>--<task>.<tasks domain>; empty: localhost."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    ssh_bind: str = "127.0.0.1:2222"
    """Address and port of the SSH front door; empty: none."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-* headers are believed."""
    database_url: SecretStr | None = None
    """None: SQLite in the data folder."""
    run_as: str = "specola"
    """The unprivileged user that web and gateway become when started as root."""
    engine: str = ""
    """The engine's API socket; empty: the first of Docker's and Podman's usual sockets that answers."""
    engine_settings: dict[str, Any] = Field(default_factory=dict)
    """More settings of the local engine, read by its adapter."""
    host_sources: tuple[str, ...] = ()
    """Networks that the platform comes from, as hosts see it; empty: from anywhere."""
    gateways: Annotated[int, Field(ge=1, le=256)] = 1
    """How many gateway processes share the public port."""
    limits: Limits = Field(default_factory=Limits)
    warn_before: tuple[str, ...] = ("60m", "15m", "5m")
    """How long before its time limit a task is warned of it."""
    session_hours: Annotated[float, Field(gt=0)] = 24 * 14
    log_format: str = "auto"
    """auto (coloured on a terminal, else JSON), json or text."""

    @field_validator("data")
    @classmethod
    def _data_is_found_from_everywhere(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("bind")
    @classmethod
    def _bind_has_a_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("bind is ADDRESS:PORT, for example 127.0.0.1:8080")
        return value

    @field_validator("warn_before")
    @classmethod
    def _warnings_are_durations(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                _ = parse_duration(one)
            except InvalidError as error:
                raise ValueError(error.sentence) from error
        return value

    @field_validator("ssh_bind")
    @classmethod
    def _ssh_bind_has_a_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and (not host or not port.isdigit()):
            raise ValueError("ssh_bind is ADDRESS:PORT, for example 127.0.0.1:2222, or empty")
        return value

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.bind.rpartition(":")[2])

    @property
    def ssh_host(self) -> str:
        """The address that the SSH front door listens on."""
        return self.ssh_bind.rpartition(":")[0].strip("[]")

    @property
    def ssh_port(self) -> int:
        """The port that the SSH front door listens on; 0: there is none."""
        return int(self.ssh_bind.rpartition(":")[2] or 0)

    @property
    def ssh_names(self) -> tuple[str, ...]:
        """The names by which clients may know the SSH front door, the usual one first."""
        usual = urlsplit(self.url).hostname or "localhost"
        here = (
            ("localhost", "127.0.0.1", "::1") if usual == "localhost" or self.ssh_host in {"127.0.0.1", "::1"} else ()
        )
        bound = () if self.ssh_host in {"", "0.0.0.0", "::"} else (self.ssh_host,)  # noqa: S104 - compared, not bound
        return tuple(dict.fromkeys((usual, *here, *bound)))

    @property
    def url(self) -> str:
        """The platform's own address, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        scheme = "https" if self.tls_cert else "http"
        return f"{scheme}://localhost:{self.port}"

    @property
    def domain(self) -> str:
        """The domain below which tasks are served."""
        return self.tasks_domain or "localhost"

    @property
    def database(self) -> str:
        """The address of the database, which may hold a password: the one set, or SQLite's file in the data folder."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data / 'database' / 'specola.db'}"

    @property
    def run(self) -> Path:
        """The 0700 folder of sockets and process ids."""
        return self.data / "run"

    @property
    def web_socket(self) -> Path:
        """Where `web` serves the platform's pages and API to the gateway."""
        return self.run / "web.sock"

    @property
    def internal_socket(self) -> Path:
        """Where `web` answers gateways and connectors."""
        return self.run / "internal.sock"

    @property
    def connector_socket(self) -> Path:
        """Where `connector` answers web and worker."""
        return self.run / "connector.sock"

    @property
    def signer_socket(self) -> Path:
        """Where `signer` answers the connector."""
        return self.run / "signer.sock"

    @property
    def hosts_socket(self) -> Path:
        """Where `connector` lets the worker use its connections to hosts."""
        return self.run / "hosts.sock"

    @property
    def terminals_socket(self) -> Path:
        """Where `connector` serves terminals to the gateway."""
        return self.run / "terminals.sock"

    @property
    def agents_socket(self) -> Path:
        """Where `connector` awaits agents of tasks that dial out, as the gateway relays them."""
        return self.run / "agents.sock"

    @property
    def streams(self) -> Path:
        """The folder of the connector's Unix sockets, one for each stream it offers."""
        return self.run / "streams"

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        data = Path(os.environ.get("SPECOLA_DATA") or default_data())
        file = YamlConfigSettingsSource(settings_cls, yaml_file=data / "specola.yaml")
        return init_settings, env_settings, file
