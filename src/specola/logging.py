"""Logging of a process: one line for each event, coloured on a terminal or JSON, with secrets struck out."""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from specola.config import Settings

__all__ = ["STRUCK_OUT", "configure", "redact"]

STRUCK_OUT = "[struck out]"

SECRET_NAMES = re.compile(r"(?i)(^|[_-])(authorization|cookie|credential|key|link|password|secret|token)s?($|[_-])")
"""Names whose values never reach a log, whatever they are."""

HARMLESS_NAMES = frozenset({"key_file", "token_id", "public_key"})

SECRET_TEXTS = (
    re.compile(r"()specola_[A-Za-z0-9_-]{43}"),  # our tokens
    re.compile(r"(?i)(\b(?:bearer|basic|token)\s+)[A-Za-z0-9._~+/=-]{8,}"),  # credentials in header lines
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),  # passwords in addresses
    re.compile(r"([?&](?:code|token|state|nonce)=)[^&\s\"']+"),  # single-use codes in query strings
    re.compile(r"(#)[A-Za-z0-9_-]{32,}"),  # secrets of links, in fragments
)
"""What secrets look like inside a text; the first group is kept."""

# Their own lines repeat ours, or speak of every connection.
QUIET = dict.fromkeys(("alembic", "asyncio", "httpcore", "httpx", "uvicorn"), logging.WARNING)


def configure(settings: Settings, *, process: str, to: TextIO | None = None) -> None:
    """Set logging up for a process; called once, before anything else.

    Parameters
    ----------
    settings
        `log_format` decides about the look: auto, json or text.
    process
        Its name, which stands in each line: web, worker, connector, gateway, up.
    to
        Where lines go; None: standard error.

    Notes
    -----
    What libraries log through the standard library takes the same way, and so is struck out as well.
    """
    stream = to or sys.stderr
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if as_text else "iso", utc=not as_text),
        _naming(process),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if as_text
        else structlog.processors.JSONRenderer(default=str)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # A traceback becomes text first: its message may hold a secret as well.
                structlog.processors.format_exc_info,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Strike out whatever is, or looks like, a secret; a structlog processor."""
    return dict(_struck_out(event))


def _struck_out(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if SECRET_NAMES.search(name) and name not in HARMLESS_NAMES:
            yield name, STRUCK_OUT
        else:
            yield name, _value(value)


def _value(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case bytes():
            return _text(value.decode(errors="replace"))
        case Mapping():
            return dict(_struck_out(value))
        case tuple() | list() | set() | frozenset():
            return [_value(one) for one in value]
        case bool() | int() | float() | None:
            return value
        case _:
            return _value(str(value))


def _text(value: str) -> str:
    for secret in SECRET_TEXTS:
        value = secret.sub(rf"\1{STRUCK_OUT}", value)
    return value


def _naming(process: str) -> Processor:
    def name(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return name
