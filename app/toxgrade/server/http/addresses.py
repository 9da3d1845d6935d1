"""Addresses of requests: what a path, method or query parameter that we do not have is told."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from itertools import chain
from typing import get_args, get_origin
from urllib.parse import quote

from fastapi import FastAPI, params
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import AliasChoices
from starlette.requests import Request
from starlette.types import Scope

from toxgrade.errors import FieldFault, RequestError
from toxgrade.server.http.middleware import own_path

_MAX_FAULTS = 20  # in one answer
_MAX_NAMED = 3  # paths in one answer
_MAX_DISTANCE = 0.7  # of a path that is named, from 0 to 1
_MAX_SEGMENTS, _MAX_SEGMENT = 12, 40  # of a path; comparing takes the square of the length.


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter: its present name, and whether it may be sent several times.

    ``is_former``: it is an earlier name, accepted but not shown.
    """

    name: str
    repeatable: bool
    is_former: bool = False


def declared_parameters(route: APIRoute) -> dict[str, Parameter]:
    """Return the query parameters of a route and its dependencies, by each name that they have.

    Those that ``openapi_extra`` describes are read by the handler itself, which also refuses
    doubled ones.
    """
    declared: dict[str, Parameter] = {}
    for field in _query_fields(route.dependant):
        alias = field.field_info.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [alias or field.alias]
        parameter = Parameter(str(names[0]), _takes_several(field.field_info.annotation))
        declared |= {str(name): parameter for name in names}
    for described in (route.openapi_extra or {}).get("parameters", ()):
        if described["in"] == "query":
            name, is_former = described["name"], described.get("deprecated", False)
            declared[name] = Parameter(name, repeatable=True, is_former=is_former)
    return declared


def _query_fields(dependant: Dependant) -> Iterator[ModelField]:
    yield from dependant.query_params
    for inner in dependant.dependencies:
        yield from _query_fields(inner)


def _takes_several(annotation: object) -> bool:
    return get_origin(annotation) in (list, set, tuple) or any(
        _takes_several(part) for part in get_args(annotation)
    )


def refuse_other_parameters(request: Request, declared: Mapping[str, Parameter]) -> None:
    """Refuse query parameters that are not declared, or doubled ones of which one would be lost.

    Raises:
        RequestError: names each of them, and the parameters that are accepted.
    """
    sent = [name for name, _ in request.query_params.multi_items()]
    shown = dict.fromkeys(each.name for each in declared.values() if not each.is_former)
    accepted = ", ".join(shown)
    known = f"accepted: {accepted}" if accepted else "this path takes none"
    faults = [
        FieldFault(("query", name), "unknown-parameter", f"not a parameter here; {known}")
        for name in dict.fromkeys(sent)
        if name not in declared
    ]
    counts = Counter(declared[name] for name in sent if name in declared)
    faults += [
        FieldFault(("query", parameter.name), "given-twice", "expected once")
        for parameter, count in counts.items()
        if count > 1 and not parameter.repeatable
    ]
    if faults:
        text = "the address has parameters that cannot be accepted"
        raise RequestError(text, faults[:_MAX_FAULTS])


def declared_only() -> params.Depends:
    """Declare that a router outside ``/v1`` refuses parameters that a route does not declare."""

    async def check(request: Request) -> None:
        if request.scope["query_string"]:
            refuse_other_parameters(request, declared_parameters(request.scope["route"]))

    return params.Depends(check)


def allowed_methods(scope: Scope) -> list[str]:
    """Return the methods that the path of a request takes, whichever routes they belong to."""
    at_path = _routes(scope["app"], own_path(scope))
    found = {method for route in at_path for method in route.methods or ()}
    return sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set()))


def _routes(app: FastAPI, path: str | None = None) -> list[RouteContext]:
    """Return the routes that have methods; with a path, those that it leads to."""
    routes = [r for r in iter_route_contexts(app.routes) if getattr(r, "methods", None)]
    return routes if path is None else [r for r in routes if r.path_regex.match(path)]


def page_without_slash(scope: Scope) -> str | None:
    """Return the address of the page that a reader's path leads to without slashes at its end."""
    path = own_path(scope)
    found = _routes(scope["app"], path.rstrip("/"))
    if scope["method"] != "GET" or not path.endswith("/") or any(map(_is_documented, found)):
        return None
    return quote(scope.get("root_path", "") + path.rstrip("/")) if found else None


def _is_documented(route: RouteContext) -> bool:
    return bool(route.include_in_schema)


def unknown_path(scope: Scope) -> str:
    """Say that there is no such path, and which ones of ours are nearest; never repeat it."""
    path, documented = own_path(scope), list(filter(_is_documented, _routes(scope["app"])))
    bare = path.rstrip("/")
    if bare != path and (found := [r.path for r in documented if r.path_regex.match(bare)]):
        return f"there is no such path: {found[0]} has no slash at its end"
    nearest = " or ".join(_nearest(path, {str(route.path) for route in documented}))
    return "there is no such path; " + (f"nearest: {nearest}" if nearest else "/docs lists them")


def _nearest(path: str, templates: set[str]) -> list[str]:
    """Return the templates whose words are most like those of a path, the most alike first."""
    sent = [part[:_MAX_SEGMENT] for part in path.lower().split("/")[: _MAX_SEGMENTS + 1] if part]
    words = {template: template.strip("/").split("/") for template in templates}
    alike = {word: _likeness(word, sent) for word in set(chain(*words.values()))}

    def distance(template: str) -> tuple[float, int, str]:
        """Return how unlike the whole template is, from 0; its parameters may be anything."""
        found = [alike[word] for word in words[template] if not word.startswith("{")]
        parameters = len(words[template]) - len(found)
        part = sum(found) / max(len(found), len(sent) - parameters)
        return 1 - part, abs(len(words[template]) - len(sent)), template

    near = sorted(rated for rated in map(distance, templates) if rated[0] <= _MAX_DISTANCE)
    return [template for _, _, template in near[:_MAX_NAMED]]


def _likeness(word: str, sent: list[str]) -> float:
    """Return how like a word the most similar of what was sent is: 1 if equal, 0 if none is."""
    closest = get_close_matches(word.lower(), sent, 1)
    return SequenceMatcher(None, word.lower(), closest[0]).ratio() if closest else 0
