"""The log of this process: one JSON object per line on standard error, of names that are allowed.

Nothing a caller sent can come into it. Our own entries keep only the keys below; libraries' entries
keep their place in the code, and their text only where that is known to hold no request's content.
"""

import gc
import logging
import sys
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import msgspec
import structlog

ALLOWED = frozenset(
    {
        "time", "level", "event", "request_id",
        "method", "route", "status", "ms",  # a request; the route is its template
        "error", "places",  # the kind of an error, and where in the code it arose
        "logger", "migration", "port", "batch", "state", "rows", "chunk", "attempt",
    }
)  # fmt: skip
"""The keys that an entry may have; any other is dropped. Add one only if no patient's data fit."""

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Which request is being answered, for the log and the audit; None outside of one."""

_SPEAKING = ("uvicorn", "alembic")
"""Libraries whose texts are addresses, process numbers and migrations."""


def configure() -> None:
    """Set up structlog, and what libraries log through the standard library, for this process."""
    structlog.configure(
        processors=[
            _of_its_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _only_allowed,
            _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_to_standard_error,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _Libraries) for handler in root.handlers):
        root.addHandler(_Libraries(logging.INFO))
        logging.getLogger("uvicorn").setLevel(logging.INFO)
    logging.getLogger("uvicorn.access").disabled = True  # its lines hold paths: patients' names


def places(error: BaseException) -> str:
    """Where an error arose, innermost first, without its message: that could hold a value."""
    found = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{p.filename}:{p.lineno} {p.name}" for p in reversed(found[-8:]))


def _of_its_request(_: object, __: str, entry: MutableMapping[str, Any]) -> Any:
    if request_id := REQUEST_ID.get():
        entry["request_id"] = request_id
    return entry


def _only_allowed(_: object, __: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name in ALLOWED}


def _as_json(_: object, __: str, entry: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(entry, enc_hook=str).decode()


class _StandardError:
    """Whatever ``sys.stderr`` is when the line is written."""

    def _write(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")  # line by line, which standard error sends off at once

    debug = info = warning = error = critical = _write


def _to_standard_error(*_: object) -> _StandardError:
    return _StandardError()


class _Libraries(logging.Handler):
    """Brings what libraries log into the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        entry: dict[str, object] = {"logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            entry |= {"error": type(error).__name__, "places": places(error)}
        speaking = record.name.partition(".")[0] in _SPEAKING
        event = record.getMessage() if speaking else "a library's message, withheld"
        if not speaking:
            entry.setdefault("places", f"{record.pathname}:{record.lineno} {record.funcName}")
        structlog.get_logger().log(record.levelno, event.strip(), **entry)


def collect_rarely() -> None:
    """Forget what start-up made, which stays, and look seldom at the rest.

    A panel of 1,000 values, or a chunk of a batch, is up to millions of objects that all stay until
    they are answered or stored: to walk them again and again was a third of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
