"""Keys and certificates of SSH for one place: people's, hosts', and the two authorities that sign them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.root import PEOPLE
from scripts.machine import FailedError, answers

__all__ = ["HOSTS", "PEOPLES", "Host", "Keys"]

PEOPLES, HOSTS, TRUSTED = "people", "hosts", "trusted"


@dataclass(frozen=True, slots=True)
class Host:
    """A host as SSH's clients know it.

    Parameters
    ----------
    name
        What it is called in the client's configuration, and by the hosts beside it.
    address
        Its address.
    through
        The name of the host to jump from; none: it is reached directly.
    """

    name: str
    address: str
    through: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """The folder that all of them are in.

    A person's private key lies in the file of their name; `people` is the private key of the authority that every host accepts
    certificates of, `hosts` that of the authority that signed the hosts' own keys.
    """

    folder: Path

    def make(self, hosts: Sequence[Host]) -> None:
        """Make what is not there yet, and the client's configuration."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (PEOPLES, HOSTS, *PEOPLE):
            self._make(name, f"{name} of the lab")
        for host in hosts:
            self._make(f"host-{host.name}", host.name)
            names = f"{host.name},{host.address}"
            sign: list[str | Path] = [
                "-I",
                host.name,
                "-h",
                "-n",
                names,
                "-V",
                "-5m:+52w",
                self.folder / f"host-{host.name}.pub",
            ]
            _keygen("-s", self.folder / HOSTS, *sign)
        self.known_hosts.write_text("".join(self._known(host) for host in hosts), encoding="ascii")
        self.configuration.write_text("".join(self._configured(host) for host in hosts), encoding="ascii")

    def key(self, person: str) -> Path:
        """Return the private key that hosts accept for a person's account, by its `authorized_keys`."""
        return self.folder / person

    def public(self, name: str) -> str:
        """Return the public key of a person, a host (`host-…`) or an authority, as one line."""
        return (self.folder / f"{name}.pub").read_text(encoding="ascii")

    @property
    def authority(self) -> Path:
        """The private key that signs certificates of people: whoever has it is anybody on these hosts."""
        return self.folder / PEOPLES

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, as clients take them."""
        return self.folder / "known_hosts"

    @property
    def configuration(self) -> Path:
        """A configuration of `ssh` that knows the hosts by name, with key, host key and jump."""
        return self.folder / "ssh_config"

    def trust(self, authority: str) -> None:
        """Note one more authority whose certificates all hosts accept.

        Parameters
        ----------
        authority
            Its public key, as one line.
        """
        if authority.strip() not in self.trusted():
            with (self.folder / TRUSTED).open("a", encoding="utf-8") as file:
                file.write(f"{authority.strip()}\n")

    def trusted(self) -> list[str]:
        """Return the public keys of the authorities that hosts accept certificates of, the lab's own first."""
        more = self.folder / TRUSTED
        return [self.public(PEOPLES).strip(), *(more.read_text(encoding="utf-8").splitlines() if more.exists() else [])]

    def certify(self, person: str, *options: str, validity: str = "+5m") -> Path:
        """Sign a person's key; return the certificate, which their client finds by its name.

        Parameters
        ----------
        options
            More for ssh-keygen(1), as `-O force-command=…`.
        validity
            How long it is good for, in ssh-keygen's words.
        """
        words: list[str | Path] = [
            "-I",
            f"{person} of the lab",
            "-n",
            person,
            "-V",
            validity,
            *options,
            self.folder / f"{person}.pub",
        ]
        _keygen("-s", self.authority, *words)
        return self.folder / f"{person}-cert.pub"

    def _make(self, name: str, comment: str) -> None:
        if not (self.folder / name).exists():
            _keygen("-t", "ed25519", "-N", "", "-C", comment, "-f", self.folder / name)

    def _known(self, host: Host) -> str:
        kind, key, _ = self.public(f"host-{host.name}").split(" ", 2)
        authority = " ".join(self.public(HOSTS).split(" ")[:2])
        names = f"{host.name},{host.address}"
        return f"{names} {kind} {key}\n@cert-authority {names} {authority}\n"

    def _configured(self, host: Host) -> str:
        lines = {
            "HostName": host.address,
            "User": next(iter(PEOPLE)),
            "HostKeyAlias": host.name,
            "IdentityFile": f"{self.folder}/%r",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "none",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": 10,
            **({"ProxyJump": host.through} if host.through else {}),
        }
        return f"Host {host.name}\n" + "".join(f"    {key} {value}\n" for key, value in lines.items())


def _keygen(*words: str | Path) -> None:
    if answers(["ssh-keygen", "-q", *words]) is None:
        raise FailedError("ssh-keygen failed; try it by hand to see why.")
