"""One request of the recording, as plain data, and short ways to write one down."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; ``{name}`` in path, headers and texts stands for what an earlier answer gave.

    ``keep`` names what later requests need: ``header ETag``, ``json grades.0.id`` or ``moment``
    (the time after the answer). ``files``: the fields of a form that upload a file of ``inputs``.
    ``after_batches``: it is sent once no uploaded batch is under way.
    ``announced``: no body is sent, only the head that says how many bytes it would have; who sends
    them to a service that has refused them may lose its answer.
    """

    name: str
    method: str
    path: str
    json: object = None
    text: str | bytes | None = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, str] | None = None
    body_file: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    after_batches: bool = False
    announced: int | None = None


def get(name: str, path: str, accept: str | None = None, **keep: str) -> Asked:
    """Return a GET, with an ``Accept`` where one is given."""
    headers = {} if accept is None else {"Accept": accept}
    return Asked(name, "GET", path, headers=headers, keep=keep)


def post(name: str, path: str, json: object, /, *, key: str | None = None, **keep: str) -> Asked:
    """Return a POST of JSON, under an ``Idempotency-Key`` where one is given."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return Asked(name, "POST", path, json, headers=headers, keep=keep)


def put(name: str, path: str, json: object, /, **keep: str) -> Asked:
    """Return a PUT of JSON."""
    return Asked(name, "PUT", path, json, keep=keep)


def raw(name: str, path: str, text: str | bytes, media: str | None, **headers: str) -> Asked:
    """Return a POST of bytes as they are; ``X_Y`` among the headers means ``X-Y``."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = given if media is None else given | {"Content-Type": media}
    return Asked(name, "POST", path, text=text, headers=sent)


def lab(
    analyte: str, value: object, unit: str | None = None, lln: object = None, uln: object = None,
    collected: str | None = "2011-04-23", **more: object,
) -> dict[str, object]:  # fmt: skip
    """Return a laboratory value as JSON carries it, without what is not given."""
    given = {"analyte": analyte, "value": value, "unit": unit, "lln": lln, "uln": uln}
    whole = given | {"collected": collected} | more
    return {name: one for name, one in whole.items() if one is not None}


COURSE = {"start": "2011-01-24", "end": "2011-03-09"}


def panel(*results: object, **more: object) -> dict[str, object]:
    """Return a panel after the usual course of radiotherapy."""
    return {"radiotherapy": COURSE, "results": list(results)} | more
