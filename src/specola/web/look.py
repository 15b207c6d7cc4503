"""The look of the pages: templates, icons and static files, all read into memory at start."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from specola.web import words

__all__ = ["Asset", "Look", "look_of"]

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One static file; its name carries a hash of its content, so it may be kept for ever."""

    body: bytes
    zipped: bytes
    media_type: str

    MEDIA_TYPES: ClassVar[Mapping[str, str]] = {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".txt": "text/plain; charset=utf-8",
    }

    @classmethod
    def read(cls, path: Path) -> "Asset":
        """Read a file, and compress it once for all."""
        body = path.read_bytes()
        return cls(body=body, zipped=gzip.compress(body, 9, mtime=0), media_type=cls.MEDIA_TYPES[path.suffix])

    def response(self, accepted_encodings: str) -> Response:
        """Answer with this file."""
        zipped = "gzip" in accepted_encodings
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return Response(self.zipped if zipped else self.body, media_type=self.media_type, headers=headers)


class Look:
    """Renders templates. Nothing is read from disk once this exists, since the process gives up its rights by then."""

    def __init__(
        self,
        *,
        templates: Mapping[str, str],
        icons: Mapping[str, str],
        names: Mapping[str, str],
        assets: Mapping[str, Asset],
    ) -> None:
        self.assets = assets
        self._icons = icons
        self._names = names
        self._environment = Environment(
            loader=DictLoader(dict(templates)),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(words.FILTERS)
        self._environment.globals.update(icon=self.icon, asset=partial(self.asset, "/static/"), sheet=False)
        # All at once, though it takes a quarter of a second: compiling imports what may be out of reach later.
        self._templates = {name: self._environment.get_template(name) for name in templates}

    @classmethod
    def load(cls, folder: Path = HERE) -> "Look":
        """Read templates and built files.

        Raises
        ------
        RuntimeError
            The scripts and styles have not been built.
        """
        built = folder / "static" / "dist"
        try:
            names = json.loads((built / "manifest.json").read_text())
            icons = json.loads((built / "icons.json").read_text())
        except FileNotFoundError as error:
            raise RuntimeError(
                "The pages' scripts and styles are not built: run `npm --prefix frontend ci` and "
                "`npm --prefix frontend run build`."
            ) from error
        templates = folder / "templates"
        return cls(
            templates={str(path.relative_to(templates)): path.read_text() for path in templates.rglob("*.html")},
            icons=icons,
            names=names,
            assets={path.name: Asset.read(path) for path in built.iterdir() if path.suffix in Asset.MEDIA_TYPES},
        )

    def icon(self, name: str, size: int = 18) -> Markup:
        """Return a drawing to stand inside a page; it says nothing to screen readers."""
        return Markup(
            '<svg width="{0}" height="{0}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
            'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{1}</svg>'
        ).format(size, Markup(self._icons[name]))  # noqa: S704 - our own build wrote the drawing

    def asset(self, prefix: str, name: str) -> str:
        """Return the address of a built file by its plain name."""
        return prefix + self._names[name]

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """Return the text of a template."""
        return self._templates[template].render(context)

    def page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """Answer with a page, or with a sheet (the same content alone) where the page's script asked for it."""
        context.setdefault("actor", None)
        context["path"] = request.url.path
        context["sheet"] = "hx-request" in request.headers
        return HTMLResponse(self.render(template, context), status_code=status, headers={"Cache-Control": "no-store"})


def look_of(request: Request) -> Look:
    """Return the look of this process."""
    look: Look = request.app.state.look
    return look
