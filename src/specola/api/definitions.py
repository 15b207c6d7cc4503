"""Definitions as bodies of requests: YAML or JSON, read as text, since their readers say what is wrong and where."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from specola.domain.errors import InvalidError

__all__ = ["YAML", "definition_body", "definition_of"]

YAML = "application/yaml"


def definition_body(example: str) -> Mapping[str, Any]:
    """Return how a description of the API tells of such a body."""
    return {
        "requestBody": {
            "required": True,
            "description": "A definition, in YAML or in JSON.",
            "content": {
                YAML: {"schema": {"type": "string"}, "example": example},
                "application/json": {"schema": {"type": "object"}},
            },
        }
    }


async def definition_of(request: Request) -> str:
    """Return the text of a body. Raises InvalidError."""
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise InvalidError("The definition is not UTF-8 text.", hint="Save the file as UTF-8.") from error
    if not text.strip():
        raise InvalidError("The definition is empty.", hint="Send a definition, in YAML or in JSON.")
    return text
