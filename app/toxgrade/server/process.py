"""The log of a process, one JSON object per line on standard error; and its garbage collection.

Nothing that a caller sent can get into the log. Our own entries have only the keys ``ALLOWED``;
libraries' entries have their place in the code, and their text only if it holds no request data.
"""

import ctypes
import gc
import logging
import sys
import traceback
from contextvars import ContextVar

import msgspec
import structlog
from structlog.typing import EventDict

ALLOWED = frozenset(
    {
        "time", "level", "event", "request_id",
        "method", "route", "status", "ms",  # These are of a request; the route is its template.
        "error", "places",  # These are an error's type, and where it was raised.
        "logger", "migration", "port", "batch", "state", "rows", "chunk", "attempt",
    }
)  # fmt: skip
"""The keys that an entry may have; others are dropped. Add none that could hold patients' data."""

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request being answered, for the log and the audit; None outside of one."""

_LOGGED = ("uvicorn", "alembic")
"""Libraries whose messages hold only addresses, process numbers and migrations."""


def configure() -> None:
    """Set up structlog for this process, and route the log of libraries to it."""
    structlog.configure(
        processors=[
            _add_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _keep_allowed,
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
    logging.getLogger("uvicorn.access").disabled = True  # Its lines hold paths with pseudonyms.


def places(error: BaseException) -> str:
    """Return where an error arose, innermost first, without its message, which may hold a value."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames[-8:]))


def origin(error: BaseException) -> str:
    """Return where an unforeseen error arose, as one sentence for callers, without its message."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"unforeseen {type(error).__name__} at {last.name}, line {last.lineno}"


def _add_request_id(_: object, __: str, entry: EventDict) -> EventDict:
    if request_id := REQUEST_ID.get():
        entry["request_id"] = request_id
    return entry


def _keep_allowed(_: object, __: str, entry: EventDict) -> EventDict:
    return {name: value for name, value in entry.items() if name in ALLOWED}


def _as_json(_: object, __: str, entry: EventDict) -> str:
    return msgspec.json.encode(entry, enc_hook=str).decode()


class _StandardError:
    """A logger that writes to what ``sys.stderr`` is at that moment."""

    def _write(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")  # Standard error flushes after each line.

    debug = info = warning = error = critical = _write


def _to_standard_error(*_: object) -> _StandardError:
    return _StandardError()


class _Libraries(logging.Handler):
    """A handler that writes what libraries log in the same format."""

    def emit(self, record: logging.LogRecord) -> None:
        entry: dict[str, object] = {"logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            entry |= {"error": type(error).__name__, "places": places(error)}
        is_logged = record.name.partition(".")[0] in _LOGGED
        event = record.getMessage() if is_logged else "a library's message, withheld"
        if not is_logged:
            entry.setdefault("places", f"{record.pathname}:{record.lineno} {record.funcName}")
        structlog.get_logger().log(record.levelno, event.strip(), **entry)


def collect_rarely() -> None:
    """Exempt what start-up made from garbage collection, and collect the rest rarely.

    A panel of 1,000 values, or a chunk of a batch, makes up to millions of objects, which all live
    until it is answered or stored. Walking them again and again took a third of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def return_memory() -> None:
    """Collect garbage, and return free memory to the system where the C library can (glibc).

    glibc keeps what was freed below the last block in use: after an upload of 100,000 rows of one
    patient a worker held 485 MiB, of which 200 were free, and the next task began above them.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
