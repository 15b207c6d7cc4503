"""A reader of image registries: what an image is, before any of it is fetched."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from specola.computing.registries.facts import exposed
from specola.computing.registries.reach import AddressRefusedError, Reach
from specola.computing.registries.tokens import Challenge, check_protected, read_token
from specola.computing.registries.transport import VettedTransport
from specola.domain.computing import ImageDetails
from specola.domain.errors import (
    ImageArchitectureError,
    ImageUnknownError,
    ImageUnreachableError,
    RegistryRefusedError,
)
from specola.domain.reference import ImageReference

__all__ = ["Registry", "Source"]

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
DOCKER_HUB = frozenset({"", "docker.io", "index.docker.io", "registry-1.docker.io"})
LARGEST = 8 * 1024**2
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image is asked for: the registry's address and the repository's full name there."""

    base: str
    host: str
    repository: str

    @classmethod
    def of(cls, reference: ImageReference, reach: Reach) -> "Source":
        """Return the source of a reference; no registry means Docker Hub, whose plain names are in `library`."""
        if reference.registry in DOCKER_HUB:
            plain = "/" not in reference.repository
            repository = f"library/{reference.repository}" if plain else reference.repository
            return cls("https://registry-1.docker.io", "docker.io", repository)
        base = f"{reach.scheme(reference.registry)}://{reference.registry}"
        return cls(base, reference.registry, reference.repository)

    @property
    def is_plain(self) -> bool:
        """Whether it is asked without TLS, which only a registry that the operator named may be."""
        return self.base.startswith("http://")


class Registry:
    """Asks registries by the OCI distribution API, with short-lived anonymous tokens where they want one.

    Only as much is read as an image's description needs, never more than 8 MiB at once; what is asked for by digest is
    checked against it. Nothing that a registry answers is shown to people word by word.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def inspect(self, reference: ImageReference, *, machine: str) -> ImageDetails:
        """Read an image's manifest and configuration.

        Parameters
        ----------
        machine
            The architecture wanted of an image made for several.

        Raises
        ------
        ImageUnknownError
            The registry has no such image, or shows it to nobody without an account.
        ImageUnreachableError
            It does not answer, or not as a registry does.
        RegistryRefusedError
            It is, or leads to, where nobody may be asked.
        ImageArchitectureError
            It has the image for other architectures only.
        """
        # `localhost` without a port is how engines call what was built here; it is no registry.
        if reference.registry == "localhost":
            raise ImageUnknownError(reference.text)
        visit = _Visit(self._open(), Source.of(reference, self._reach), reference)
        try:
            return await visit.inspect(machine)
        except AddressRefusedError as error:
            raise RegistryRefusedError(visit.source.host, str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ImageUnreachableError(reference.text, visit.source.host, type(error).__name__) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ImageUnreachableError(reference.text, visit.source.host, "it is not a registry's answer") from error

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=VettedTransport(self._reach),
                timeout=TIMEOUT,
                headers={"User-Agent": "specola"},
                max_redirects=REDIRECTS,
            )
        return self._client


class _Visit:
    """The questions about one image, which share one token."""

    def __init__(self, client: httpx.AsyncClient, source: Source, reference: ImageReference) -> None:
        self._client = client
        self.source = source
        self._reference = reference
        self._token: str | None = None

    async def inspect(self, machine: str) -> ImageDetails:
        wanted = self._reference.digest or self._reference.tag or "latest"
        manifest, digest = await self._manifest(wanted)
        architectures: tuple[str, ...] = ()
        if "manifests" in manifest:
            children = [one for one in manifest["manifests"] if _machine(one) != "unknown"]
            architectures = tuple(sorted({_machine(one) for one in children}))
            child = next((one for one in children if _machine(one) == machine and _system(one) == "linux"), None)
            if child is None:
                raise ImageArchitectureError(self._reference.text, architectures or ("nothing",), (machine,))
            manifest, _ = await self._manifest(str(child["digest"]))
        return await self._details(manifest, digest, architectures)

    async def _details(self, manifest: Mapping[str, Any], digest: str, architectures: tuple[str, ...]) -> ImageDetails:
        image_id = str(manifest["config"]["digest"])
        blob = await self._get(f"blobs/{image_id}", accept="*/*")
        told = json.loads(_checked(blob, image_id))
        config: Mapping[str, Any] = told.get("config") or {}
        made_for = str(told["architecture"])
        return ImageDetails(
            reference=self._reference.text,
            digest=digest,
            id=image_id,
            architecture=made_for,
            operating_system=str(told.get("os") or "linux"),
            ports=exposed(config),
            user=str(config.get("User") or ""),
            command=(*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])),
            environment=dict(str(one).partition("=")[::2] for one in config.get("Env") or []),
            size=sum(int(layer.get("size") or 0) for layer in manifest.get("layers") or []),
            cached=False,
            source="registry",
            labels=dict(config.get("Labels") or {}),
            architectures=architectures or (made_for,),
        )

    async def _manifest(self, wanted: str) -> tuple[dict[str, Any], str]:
        body = await self._get(f"manifests/{wanted}", accept=", ".join(MANIFESTS))
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if wanted.startswith("sha256:"):
            _checked(body, wanted)
        manifest = json.loads(body)
        if not isinstance(manifest, dict):
            raise TypeError("a manifest is an object")
        return manifest, digest

    async def _get(self, path: str, *, accept: str) -> bytes:
        url = f"{self.source.base}/v2/{self.source.repository}/{path}"
        answer, body = await self._read(url, accept)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._token is None:
            challenge = Challenge.read(answer.headers.get("WWW-Authenticate", ""))
            if challenge is None:
                raise ImageUnknownError(self._reference.text, "its registry wants an account")
            self._token = await read_token(self._client, challenge, self.source.repository, plain=self.source.is_plain)
            answer, body = await self._read(url, accept)
        if answer.status_code in {401, 403, 404}:
            raise ImageUnknownError(self._reference.text)
        answer.raise_for_status()
        return body

    async def _read(self, url: str, accept: str) -> tuple[httpx.Response, bytes]:
        headers = {"Accept": accept, "Accept-Encoding": "identity"} | (
            {"Authorization": f"Bearer {self._token}"} if self._token else {}
        )
        request = self._client.build_request("GET", url, headers=headers)
        for _ in range(REDIRECTS):
            answer = await self._client.send(request, stream=True)
            try:
                body = await _limited(answer)
            finally:
                await answer.aclose()
            if answer.next_request is None:
                return answer, body
            # Blobs are often served elsewhere; httpx leaves our token out of a request to another host.
            request = answer.next_request
            check_protected(str(request.url), plain=self.source.is_plain)
        raise ValueError("too many redirects")


async def _limited(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > LARGEST:
            raise ValueError("the answer is too large")
    return bytes(body)


def _checked(body: bytes, digest: str) -> bytes:
    kind, _, wanted = digest.partition(":")
    if kind != "sha256" or hashlib.sha256(body).hexdigest() != wanted:
        raise ValueError("what came does not have the digest asked for")
    return body


def _machine(child: Mapping[str, Any]) -> str:
    return str((child.get("platform") or {}).get("architecture") or "unknown")


def _system(child: Mapping[str, Any]) -> str:
    return str((child.get("platform") or {}).get("os") or "linux")
