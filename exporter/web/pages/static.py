"""Static files of the pages: each address holds a digest of the content, so that browsers keep it for ever and never show an old one."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from importlib.resources import files

from exporter.web.http import Handler, Request, Response, Route

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_NAMES = ("style.css", "page.js", "favicon.svg")
_FOR_EVER = "public, max-age=31536000, immutable"


class Static:
    """The files, read once; `addresses` are by name, as templates link to them."""

    def __init__(self) -> None:
        directory = files("exporter.web").joinpath("static")
        self._bodies = {name: directory.joinpath(name).read_bytes() for name in _NAMES}
        self._digests = {name: blake2b(body, digest_size=6).hexdigest() for name, body in self._bodies.items()}
        self.addresses = {name: f"{name}?v={digest}" for name, digest in self._digests.items()}

    def routes(self) -> tuple[Route, ...]:
        """Return a route for each file."""
        return tuple(Route(f"/{name}", self._handler(name)) for name in _NAMES)

    def _handler(self, name: str) -> Handler:
        body, digest, content_type = self._bodies[name], self._digests[name], _TYPES[name.rpartition(".")[2]]

        def answer(request: Request) -> Response:
            # An address without a digest, or with that of another version, is not the address of this content.
            fresh = request.parameters().get("v") == [digest]
            return Response(HTTPStatus.OK, body, content_type, (("Cache-Control", _FOR_EVER if fresh else "no-cache"),))

        return answer
