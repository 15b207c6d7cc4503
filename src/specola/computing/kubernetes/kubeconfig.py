"""Kubeconfigs, and the files of a pod's own account: where a cluster answers, whom it shows, and who asks."""

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

__all__ = ["Access", "KubeconfigError", "inside", "read"]

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NAME = "kubernetes.default.svc"


class KubeconfigError(ValueError):
    """It cannot be used; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How one cluster is asked.

    Parameters
    ----------
    server
        Its address, without a slash at the end.
    authority
        Who signs its certificate, in PEM; empty: whom this machine believes.
    token, token_file
        Who asks: by a secret, or by a file with one, which is read again for each question since it is renewed.
    certificate, key
        Who asks: by a certificate, in PEM.
    """

    server: str
    authority: str = ""
    server_name: str = ""
    token: str = field(default="", repr=False)
    token_file: str = ""
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """Return what says who asks."""
        token = self.token
        if self.token_file:
            token = Path(self.token_file).read_text(encoding="ascii").strip()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def trust(self) -> ssl.SSLContext | None:
        """Return whom to believe and what to show; None: the server is asked without TLS."""
        if self.server.startswith("http://"):
            return None
        context = ssl.create_default_context(cadata=self.authority or None)
        if self.certificate:
            # Python takes a key from a file alone.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(f"{self.certificate}\n{self.key}\n")
                file.flush()
                context.load_cert_chain(file.name)
        return context


def inside(account: Path = ACCOUNT, environment: Mapping[str, str] = os.environ) -> Access:
    """Return how a pod asks the cluster that it is in.

    Parameters
    ----------
    account
        The folder of the pod's account.
    environment
        Where the cluster says its address, so that it needs no name service; without it, the usual name is taken.

    Raises
    ------
    KubeconfigError
        This is no pod, or it has no account.
    """
    token, authority = account / "token", account / "ca.crt"
    if not token.is_file():
        raise KubeconfigError("there is no kubeconfig, and this is no pod with an account of its own")
    text = authority.read_text(encoding="ascii") if authority.is_file() else ""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    server = f"[{host}]:{port}" if ":" in host else f"{host or NAME}:{port}"
    return Access(server=f"https://{server}", authority=text, token_file=str(token))


def read(text: str, *, context: str = "", inline: bool = False) -> Access:
    """Read a kubeconfig.

    Parameters
    ----------
    context
        Which of its contexts is meant; empty: the current one.
    inline
        Refuse whatever leads to files of this host, since the text came from elsewhere.

    Raises
    ------
    KubeconfigError
        It is none, or wants what a platform must not do for a stranger's text: run a program, read a file, ask without
        looking at the server's certificate.
    """
    try:
        told = yaml.safe_load(text)
        wanted = context or told["current-context"]
        chosen = _named(told["contexts"], wanted)["context"]
        cluster = _named(told["clusters"], chosen["cluster"])["cluster"]
        user = _named(told["users"], chosen["user"])["user"] or {}
        server = str(cluster["server"])
    except (yaml.YAMLError, KeyError, TypeError, IndexError) as error:
        raise KubeconfigError("this is no kubeconfig with a current context, its cluster and its user") from error
    _check(server, cluster, user)
    _check_asks(server, user)
    names = ("certificate-authority", "client-certificate", "client-key")
    authority, certificate, key = (
        _content(cluster if name.startswith("certificate") else user, name, inline=inline) for name in names
    )
    _check_authority(authority)
    token_file = str(user.get("tokenFile") or "")
    if token_file and inline:
        raise KubeconfigError("it names a file (tokenFile); put the token itself into it")
    return Access(
        server=server.rstrip("/"),
        authority=authority,
        server_name=str(cluster.get("tls-server-name") or ""),
        token=str(user.get("token") or ""),
        token_file=token_file,
        certificate=certificate,
        key=key,
    )


def _check(server: str, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    parts = urlsplit(server)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise KubeconfigError(f"“{server[:80]}” is no address of a server")
    if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise KubeconfigError("its server is asked without TLS")
    if cluster.get("insecure-skip-tls-verify"):
        raise KubeconfigError("it does not look at the server's certificate; name the authority that signed it")
    if cluster.get("proxy-url"):
        raise KubeconfigError("it goes through a proxy")
    for name in ("exec", "auth-provider"):
        if user.get(name):
            raise KubeconfigError(f"it runs a program to sign in ({name}); use the token of a service account")


def _check_asks(server: str, user: Mapping[str, Any]) -> None:
    """A server on this host may know who asks by what stands before it; any other has to be shown something."""
    shown = ("token", "tokenFile", "client-certificate", "client-certificate-data")
    if server.startswith("https://") and not any(user.get(name) for name in shown):
        raise KubeconfigError("its user has neither a token nor a certificate")


def _check_authority(text: str) -> None:
    try:
        if text:
            ssl.create_default_context(cadata=text)
    except ssl.SSLError as error:
        raise KubeconfigError("its certificate-authority is no certificate in PEM") from error


def _named(found: Any, name: str) -> Mapping[str, Any]:
    return (
        next(dict(one) for one in found if one["name"] == name)
        if any(one["name"] == name for one in found)
        else _missing(name)
    )


def _missing(name: str) -> Mapping[str, Any]:
    raise KeyError(name)


def _content(told: Mapping[str, Any], name: str, *, inline: bool) -> str:
    if data := told.get(f"{name}-data"):
        try:
            return base64.b64decode(data).decode("ascii")
        except (binascii.Error, ValueError) as error:
            raise KubeconfigError(f"its {name}-data is not base64 of a text") from error
    path = told.get(name)
    if not path:
        return ""
    if inline:
        raise KubeconfigError(
            f"it names a file ({name}); put its content into it (kubectl config view --flatten --raw)"
        )
    try:
        return Path(str(path)).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"its {name} cannot be read") from error
