"""The errors that Toxgrade raises on purpose. None knows HTTP: each door maps them to its own.

ToxgradeError
├── CriteriaError      a criteria file is faulty, or lacks the edition, choice or term
├── FileError          a file cannot be graded as it is; names line and column
├── SourceError        another system did not send what Toxgrade requested
├── ParseError         a number, date or window cannot be parsed; says what is accepted
├── RequestError       a request cannot be carried out; names the fields
│   ├── NotFound       there is no such study, patient or edition
│   ├── Conflict       the request contradicts what is stored
│   ├── Stale          the record has changed since the caller read it
│   ├── PreconditionMissing  the request does not say which state the caller read
│   └── TooLarge       the request is too large for this door; names the door for it
├── Unauthorized       the credentials are missing, unknown, expired or revoked
├── Forbidden          the caller's role does not allow it
├── TooManyRequests    the caller has reached a rate limit; says when to try again
└── Unavailable        the database or the writer does not respond; trying again is safe
    ├── NoSpace        the disk is full; trying again is safe when there is space
    └── OutOfService   the database needs an operator; trying again does not help
"""

from dataclasses import dataclass, field


class ToxgradeError(Exception):
    """The base class of every error that Toxgrade raises on purpose."""


class CriteriaError(ToxgradeError):
    """A criteria or analyte file is faulty, or does not hold the name that was looked up."""


class FileError(ToxgradeError):
    """A file cannot be graded as it is; the message names file, line and column, never a value."""


class SourceError(ToxgradeError):
    """Another system, such as an EHR's FHIR server, did not send what Toxgrade requested."""


@dataclass
class ParseError(ToxgradeError):
    """A text cannot be parsed as a number, limit, date, reference range or window.

    ``code`` is stable and machine-readable; ``message`` says what is accepted and never repeats
    the text itself.
    """

    code: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass
class FieldFault:
    """A field that is wrong: its path, a stable code, and what would be accepted."""

    loc: tuple[str | int, ...]
    code: str
    message: str


@dataclass
class RequestError(ToxgradeError):
    """A request cannot be carried out. ``faults`` name the fields, never the caller's values."""

    detail: str
    faults: list[FieldFault] = field(default_factory=list)

    def __str__(self) -> str:
        return self.detail


class NotFound(RequestError):
    """There is no such study, patient or edition."""


class Conflict(RequestError):
    """The request contradicts what is stored."""


class Stale(RequestError):
    """The record has changed since the caller read it."""


class PreconditionMissing(RequestError):
    """The request does not say which state of the record the caller has read."""


class TooLarge(RequestError):
    """The request is too large for this door; the detail names the door for it."""


class Unauthorized(ToxgradeError):
    """The credentials are missing, unknown, expired or revoked."""


class Forbidden(ToxgradeError):
    """The caller's role does not allow the request; the message names the role that would."""


@dataclass
class TooManyRequests(ToxgradeError):
    """The caller has reached a rate limit and may try again after ``retry_after`` seconds."""

    retry_after: int
    of_what: str = "requests with this key"

    def __str__(self) -> str:
        return f"too many {self.of_what}; try again in {self.retry_after} s"


class Unavailable(ToxgradeError):
    """The database or the writer does not respond; trying again is safe."""


class NoSpace(Unavailable):
    """The disk is full; trying again is safe when there is space."""


class OutOfService(Unavailable):
    """The database needs an operator, being damaged or replaced; trying again does not help."""
