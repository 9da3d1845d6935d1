"""Style, scripts and Vega: served from here and from nowhere else, cached while they hold."""

import hashlib
from functools import cache
from importlib.metadata import version as installed
from importlib.resources import files

import vl_convert
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from toxgrade.errors import NotFound
from toxgrade.server.http.authorization import public

router = APIRouter(include_in_schema=False, dependencies=[public()])

_VEGA = "vega.js"
_MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",  # its address changes when it does
    "X-Content-Type-Options": "nosniff",
}


@router.get("/static/{version}/{name}")
async def static(version: str, name: str) -> Response:
    """A file of ``static/``, or Vega with all it needs from vl-convert's bundle."""
    media = _MEDIA.get(name[name.rfind(".") :])
    if media is None or (name != _VEGA and name not in _names()):
        raise NotFound("there is no such file")
    content = await run_in_threadpool(_content, name)
    return Response(content, media_type=media, headers=_HEADERS)


@cache
def asset(name: str) -> str:
    """The address of a file of ``static/``; it holds the hash of what it leads to."""
    version = installed("vl-convert-python") if name == _VEGA else _digest(_content(name))
    return f"/static/{version}/{name}"


@cache
def _names() -> frozenset[str]:
    return frozenset(file.name for file in (files("toxgrade.server.web") / "static").iterdir())


@cache
def _content(name: str) -> bytes:
    if name == _VEGA:  # 1.2 s and 0.9 MB
        return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode()
    return (files("toxgrade.server.web") / "static" / name).read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
