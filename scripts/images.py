"""Builds the demonstration images with the engine that is here, each only when something in it changed."""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.engines import DOCKER_SOCKETS, Engine, docker, find_engine, podman
from scripts.machine import CACHE, ROOT, FailedError, answers, certificates, content_hash, has, pip_settings, run, say

__all__ = ["Image", "build_all", "fetched_base", "images", "main", "stale"]

FOLDER = ROOT / "images"
SUITE = "bookworm"
PUBLIC_BASE = f"docker.io/library/debian:{SUITE}-slim"
LOCAL_BASE = f"localhost/specola/base:{SUITE}"
SOURCE = "org.specola.source"
CERTIFICATES = "/run/secrets/certificates.pem"
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "timeout", "proxy")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
# As in Debian's own slim images: what nobody reads inside a container.
SLIM = ("path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright", "path-exclude=/usr/share/man/*")


@dataclass(frozen=True, slots=True)
class Image:
    """One image: a folder with a Containerfile, below images/ if it is a demonstration."""

    name: str
    folder: Path = FOLDER

    @property
    def file(self) -> Path:
        """Its Containerfile."""
        return self.folder / self.name / "Containerfile"

    @property
    def reference(self) -> str:
        """What it is called on this machine; the tag is the version in its labels."""
        found = re.search(r'org\.opencontainers\.image\.version="([^"]+)"', self.file.read_text(encoding="utf-8"))
        if not found:
            raise FailedError(f"{self.file} has no label org.opencontainers.image.version.")
        return f"localhost/specola/{self.name}:{found[1]}"

    @property
    def source(self) -> str:
        """A hash of everything that goes into it."""
        copied = re.findall(r"^COPY ([a-z0-9-]+)/", self.file.read_text(encoding="utf-8"), re.MULTILINE)
        return content_hash([self.folder / name for name in sorted({self.name, *copied})])

    @property
    def archive(self) -> Path:
        """Where it is kept for other engines and later runs."""
        return CACHE / "images" / f"{self.name}-{self.source}.tar"


def images(names: Sequence[str] = ()) -> list[Image]:
    """Return the images called `names`; none named: all."""
    known = sorted(file.parent.name for file in FOLDER.glob("*/Containerfile"))
    if unknown := sorted(set(names) - set(known)):
        raise FailedError(f"There is no image {', '.join(unknown)}; there are {', '.join(known)}.")
    return [Image(name) for name in names or known]


def stale(engine: Engine, wanted: Sequence[Image]) -> list[Image]:
    """Return those images that the engine has not, or has from other sources."""
    return [image for image in wanted if engine.label(image.reference, SOURCE) != image.source]


def make_base(engine: Engine) -> None:
    """Make a base image from Debian's packages, with the mirrors of this machine."""
    if not has("mmdebstrap"):
        raise FailedError("No registry is within reach; install the package mmdebstrap to make the base image.")
    say(f"No registry is within reach: making the base image {LOCAL_BASE} from Debian's packages.")
    lines = answers(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"]
    )
    targets = sorted({line for line in (lines or "").splitlines() if line.split()[1:2][0].startswith(SUITE)})
    sources = [f"deb {target}" for target in targets if target.endswith(" main")]
    root = CACHE / f"base-{SUITE}.tar"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        part = root.with_name(f"part-{os.getpid()}.tar")
        options = [word for rule in SLIM for word in ("--dpkgopt", rule)]
        run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", *options, SUITE, part, *sources]
        )
        part.rename(root)
    engine.take(root, LOCAL_BASE)


def fetched_base(engine: Engine) -> str | None:
    """Return the image to build on if the engine has it or its registry can be asked; None: it has to be made."""
    for base in (PUBLIC_BASE, LOCAL_BASE):
        if engine.label(base, SOURCE) is not None:
            return base
    return PUBLIC_BASE if engine.pull(PUBLIC_BASE) else None


def find_base(engine: Engine) -> str:
    """Return the image to build on: Debian's own where a registry can be asked, else one made here."""
    base = fetched_base(engine)
    if base is None:
        make_base(engine)
    return base or LOCAL_BASE


@contextmanager
def secrets() -> Iterator[list[str]]:
    """Yield build options that lend this machine's package settings to a build; nothing of them stays in the image."""
    bundle = certificates()
    settings = {key: value for key, value in pip_settings().items() if key in PIP_KEYS}
    for key in ("index-url", "extra-index-url"):
        # What lies on this machine's disk cannot be reached from inside.
        remote = [word for word in settings.pop(key, "").split() if not word.startswith(("file:", "/"))]
        settings |= {key: " ".join(remote)} if remote else {}
    apt = (answers(["apt-config", "dump", "Acquire::http::Proxy", "Acquire::https::Proxy"]) or "").strip()
    if bundle:
        settings["cert"] = CERTIFICATES
        apt += f'\nAcquire::https::CaInfo "{CERTIFICATES}";'
    pip = "".join(f"{key} = {value}\n" for key, value in settings.items())
    with tempfile.TemporaryDirectory(prefix="specola-") as name:
        files = {"pip": f"[global]\n{pip}", "apt": f"{apt}\n"}
        for file, text in files.items():
            (Path(name) / file).write_text(text, encoding="utf-8")
        given = {file: Path(name) / file for file in files} | ({"certificates": bundle} if bundle else {})
        yield [word for key, path in given.items() for word in ("--secret", f"id={key},src={path}")]


def build(engine: Engine, image: Image, base: str) -> None:
    """Build one image and label it with what it was built from."""
    arguments = {"BASE": base} | {name: os.environ[name] for name in PROXIES if name in os.environ}
    options = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    with secrets() as lent:
        engine.build(
            image.folder, image.file, [*options, *lent, "--label", f"{SOURCE}={image.source}", "--tag", image.reference]
        )


def keep_archive(engine: Engine, image: Image) -> None:
    """Keep an image in an archive, in place of those made from earlier sources."""
    if image.archive.exists():
        return
    image.archive.parent.mkdir(parents=True, exist_ok=True)
    for earlier in image.archive.parent.glob(f"{image.name}-*.tar"):
        earlier.unlink()
    engine.save(image.reference, image.archive)


def build_all(engine: Engine, wanted: Sequence[Image], *, keep: bool = False) -> None:
    """Bring images into an engine: from an archive kept earlier, else by building.

    Parameters
    ----------
    keep
        Keep an archive of each image, for other engines and later runs.
    """
    missing = stale(engine, wanted)
    base = ""
    for number, image in enumerate(missing, start=1):
        if image.archive.exists():
            say(f"Loading the image {image.reference} into {engine.name} ({number} of {len(missing)}).")
            engine.load(image.archive)
            continue
        say(f"Building the image {image.reference} with {engine.name} ({number} of {len(missing)}): a minute or so.")
        base = base or find_base(engine)
        build(engine, image, base)
    for image in wanted if keep else ():
        keep_archive(engine, image)


def chosen_engine(name: str | None, docker_host: str) -> Engine:
    """Return the engine called `name`; None: the one that `specola up` will choose."""
    if name == "docker":
        return docker(docker_host)
    engine = podman() if name == "podman" else find_engine(os.environ.get("SPECOLA_ENGINE", ""))
    if engine is None:
        raise FailedError("There is neither Docker nor Podman here; `make run` installs Podman.")
    return engine


def main() -> int:
    """Build from the command line; return an exit code."""
    parser = argparse.ArgumentParser(prog="scripts.images", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which images (default: all)")
    parser.add_argument(
        "--engine", choices=["docker", "podman"], help="which engine (default: as `specola up` chooses)"
    )
    parser.add_argument("--docker-host", default=f"unix://{DOCKER_SOCKETS[0]}", help="where Docker answers")
    parser.add_argument("--keep", action="store_true", help="keep archives for other engines and later runs")
    given = parser.parse_args()
    try:
        build_all(chosen_engine(given.engine, given.docker_host), images(given.names), keep=given.keep)
    except FailedError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
