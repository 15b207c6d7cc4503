"""What single words of a definition may be: names, paths, environment, credentials. Each check says the fault, or None."""

import difflib
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from specola.domain.errors import InvalidError
from specola.domain.offer import WORD
from specola.domain.reference import ImageReference
from specola.domain.software import CAPABILITIES, TERMINAL, CredentialWay

__all__ = [
    "are_nested",
    "capability_fault",
    "command_fault",
    "credential_fault",
    "entry_name_fault",
    "environment_name_fault",
    "expect_fault",
    "gpu_model_fault",
    "homepage_fault",
    "ignored_fault",
    "image_fault",
    "interface_name_fault",
    "mount_fault",
    "parameter_name_fault",
    "placeholder_fault",
    "request_path_fault",
    "tag_fault",
    "version_fault",
]

ENTRY = re.compile(r"[a-z0-9]+(?:[-._][a-z0-9]+)*")
INTERFACE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
# A host label has at most 63 characters (RFC 1035, 2.3.4): <interface>--<task>, and a task's id has up to 12.
LONGEST_INTERFACE = 63 - len("--") - 12
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
QUERY_NAME = re.compile(r"[A-Za-z0-9._~-]+")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
VISIBLE = re.compile(r"[\x20-\x7e]*")
# Headers by which a message is framed or routed, or which the gateway itself has to control (RFC 9110, 7.6.1).
OURS = re.compile(
    r"connection|content-(length|encoding|type)|cookie|expect|host|keep-alive|origin|proxy-.*|referer|sec-.*|te|trailer"
    r"|transfer-encoding|upgrade|x-forwarded-.*"
)
RESERVED = re.compile(r"port-[0-9]+")
BRACED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
RANGE = re.compile(r"\s*([1-5][0-9]{2})\s*(?:-\s*([1-5][0-9]{2})\s*)?")


def entry_name_fault(name: str) -> str | None:
    """Check the name of a catalogue entry: it stands in addresses and command lines."""
    if len(name) > 63:
        return f"a name has at most 63 characters, this one has {len(name)}"
    if not ENTRY.fullmatch(name):
        return f"“{name[:60]}” is no name: use lower-case letters and digits, with single hyphens, dots or underscores"
    return None


def interface_name_fault(name: str) -> str | None:
    """Check the name of an interface: it becomes part of a host name."""
    if not INTERFACE.fullmatch(name):
        return f"“{name[:60]}” does not fit into a host name: use lower-case letters, digits and single hyphens"
    if len(name) > LONGEST_INTERFACE:
        return f"the name of an interface has at most {LONGEST_INTERFACE} characters, this one has {len(name)}"
    if name == TERMINAL.name:
        return f"“{name}” is the terminal that the platform gives every task; choose another name"
    if RESERVED.fullmatch(name):
        return f"“{name}” is what the platform calls a port that it finds in a running task; choose another name"
    return None


def environment_name_fault(name: str) -> str | None:
    """Check the name of an environment variable (POSIX.1-2017, 8.1, with lower case)."""
    if not ENVIRONMENT.fullmatch(name) or len(name) > 200:
        return f"“{name[:60]}” is no name of a variable: use letters, digits and underscores, no digit first"
    if name.upper().startswith("SPECOLA_"):
        return f"“{name[:60]}” is reserved: names that start with SPECOLA_ are set by the platform"
    return None


def parameter_name_fault(name: str) -> str | None:
    """Check the name of a parameter: it stands in placeholders."""
    if not ENVIRONMENT.fullmatch(name) or len(name) > 60:
        return f"“{name[:60]}” is no name of a parameter: use letters, digits and underscores, no digit first"
    return None


def version_fault(version: str) -> str | None:
    """Check the label of a release."""
    if not VERSION.fullmatch(version):
        return f"“{version[:60]}” is no version: use letters, digits, dots, hyphens, underscores and plus signs"
    return None


def tag_fault(tag: str) -> str | None:
    """Check one tag of an entry."""
    return None if tag.strip() == tag and tag and "\n" not in tag else "a tag is a short word without spaces around it"


def homepage_fault(address: str) -> str | None:
    """Check an address that pages make a link of; other schemes could run code in a visitor's browser."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "this is no web address"
    if parts.scheme not in {"http", "https"} or not parts.hostname or not VISIBLE.fullmatch(address) or " " in address:
        return "this has to be a web address that starts with https:// or http://"
    return None


def image_fault(text: str) -> str | None:
    """Check an image reference."""
    try:
        ImageReference.parse(text)
    except InvalidError as error:
        return error.sentence
    return None


def mount_fault(path: str) -> str | None:
    """Check where a home or scratch is mounted: an absolute path below the root, without detours."""
    parts = path.split("/")
    if not path.startswith("/") or path == "/" or any(part in {"", ".", ".."} for part in parts[1:]):
        return "this has to be an absolute path without “..”, for example /home/jovyan"
    if parts[1] in {"proc", "sys", "dev"} or ":" in path or "\n" in path:
        return f"nothing can be mounted at {path[:60]}"
    return None


def are_nested(one: str, other: str) -> bool:
    """Tell whether one of two absolute paths is, or lies in, the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def request_path_fault(path: str) -> str | None:
    """Check a path on an interface's origin; two slashes would name another host."""
    if not path.startswith("/") or path.startswith("//") or "\\" in path:
        return "this has to be a path that starts with one slash, for example /lab"
    if not VISIBLE.fullmatch(path) or " " in path:
        return "this has characters that cannot stand in an address; write them with %"
    return None


def ignored_fault(text: str) -> str | None:
    """Check a path whose requests are no use, with or without a method before it."""
    method, _, path = text.rpartition(" ")
    if method and method not in METHODS:
        return f"“{method[:40]}” is no method; write a path, or for example GET {path[:40]}"
    return request_path_fault(path)


def expect_fault(text: str) -> str | None:
    """Check the status codes that mean "ready": `200-399,401`."""
    for part in text.split(","):
        found = RANGE.fullmatch(part)
        if not found or int(found[1]) > int(found[2] or found[1]):
            return f"“{part.strip()[:40]}” is no range of status codes; write for example 200-399,401,403"
    return None


def capability_fault(name: str) -> str | None:
    """Check a Linux capability against those that anyone may ask for."""
    if name in CAPABILITIES:
        return None
    near = difflib.get_close_matches(name.upper().removeprefix("CAP_"), sorted(CAPABILITIES), n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"“{name[:40]}” is not allowed; the capabilities are {', '.join(sorted(CAPABILITIES))}{meant}"


def placeholder_fault(known: frozenset[str]) -> Callable[[str], str | None]:
    """Return a check that placeholders name a parameter of `known`; other braces belong to the software."""

    def check(text: str) -> str | None:
        for found in BRACED.finditer(text):
            word = found[1]
            if word.startswith("parameters."):
                if word.removeprefix("parameters.") not in known:
                    listed = f"; there are {', '.join(sorted(known))}" if known else ", since none is declared"
                    return f"there is no parameter for {{{word[:60]}}}{listed}"
            elif word != "credential" and difflib.get_close_matches(word, ["credential"], cutoff=0.8):
                return f"there is no placeholder {{{word[:60]}}}; did you mean {{credential}}?"
        return None

    return check


def command_fault(known: frozenset[str]) -> Callable[[str], str | None]:
    """Return a check as `placeholder_fault`, for command lines: they are visible to everybody on their machine."""
    placeholder = placeholder_fault(known)

    def check(text: str) -> str | None:
        if "{credential}" in text:
            return (
                "a command line is no place for {credential}; put it into environment, or read SPECOLA_CREDENTIAL_FILE"
            )
        return placeholder(text)

    return check


def gpu_model_fault(text: str) -> str | None:
    """Check the name of a kind of GPU, which a scheduler is told."""
    return None if WORD.fullmatch(text) else "this has to be one word, as the computing calls that GPU: a100"


def credential_fault(way: CredentialWay, template: str) -> str | None:
    """Check what the gateway is to add to each request. It goes into a request line or header, so into one line."""
    if not VISIBLE.fullmatch(template):
        return "this has to be one line of plain ASCII characters"
    if "{credential}" not in template:
        return "the placeholder {credential} is missing"
    for found in BRACED.finditer(template):
        if found[1] != "credential":
            return f"only {{credential}} can stand here, not {{{found[1][:60]}}}"
    mark = ":" if way in {CredentialWay.HEADER, CredentialWay.BASIC} else "="
    name, found_mark, value = template.partition(mark)
    if not found_mark or ("{" in name and way is not CredentialWay.BASIC):
        return f"this has to be NAME{mark}VALUE, with {{credential}} in the value"
    allowed = QUERY_NAME if way is CredentialWay.QUERY else TOKEN
    if way is not CredentialWay.BASIC and not allowed.fullmatch(name):
        return f"“{name[:60]}” is no name of a {way}"
    return _place_fault(way, name, value)


def _place_fault(way: CredentialWay, name: str, value: str) -> str | None:
    if way is CredentialWay.HEADER and OURS.fullmatch(name.lower()):
        return f"the header {name} is set by the visitor's browser or the gateway and cannot carry a credential"
    if way is CredentialWay.COOKIE and (set(value) & set(' ",;\\') or name.lower().startswith("__host-specola")):
        return "this cannot stand in a cookie"
    if way is CredentialWay.QUERY and set(value) & set(" #&"):
        return "this cannot stand in a query; write such characters with %"
    return None
