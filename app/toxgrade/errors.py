"""Every error that Toxgrade raises on purpose. No HTTP here: doors map these to their own answers.

ToxgradeError
├── CriteriaError      a criteria or analyte file is incomplete or contradicts itself
├── FileError          a file cannot be graded as it is; names line and column
├── SourceError        another system did not give what was asked of it
├── ParseError         a reported number or date cannot be read; says what is accepted
├── RequestError       what was asked cannot be done as asked; names the fields
│   ├── NotFound       no such study, patient, edition, …
│   ├── Conflict       it contradicts what is stored
│   ├── Stale          it has changed since the caller read it
│   ├── PreconditionMissing  it is not done without saying which state was read
│   └── TooLarge       more than this door takes; names the door that takes it
├── Unauthorized       no credentials, or some that are unknown, expired or revoked
├── Forbidden          the caller's role does not allow it
├── TooManyRequests    this caller's share is used up for now; says when to come again
└── Unavailable        the database or the writer cannot answer now; try again
    └── NoSpace        the disk is full; free some space and try again
"""

from dataclasses import dataclass, field


class ToxgradeError(Exception):
    """The root; catch it to catch everything that Toxgrade raises on purpose."""


class CriteriaError(ToxgradeError):
    """A criteria or analyte file is incomplete or contradicts itself; the message says where."""


class FileError(ToxgradeError):
    """A file cannot be graded as it is; the message names file, line and column, no values."""


class SourceError(ToxgradeError):
    """Another system, such as an EHR's FHIR server, did not give what was asked of it."""


@dataclass
class ParseError(ToxgradeError):
    """A text cannot be read as a number, date or comparator.

    ``code`` is stable and machine-readable; ``message`` says what is accepted and never repeats
    the text that was read.
    """

    code: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass
class FieldFault:
    """One field that is wrong: where it is, a stable code, and what would be accepted."""

    loc: tuple[str | int, ...]
    code: str
    message: str


@dataclass
class RequestError(ToxgradeError):
    """What was asked cannot be done as asked. ``faults`` name the fields; no caller's values."""

    detail: str
    faults: list[FieldFault] = field(default_factory=list)

    def __str__(self) -> str:
        return self.detail


class NotFound(RequestError):
    """No such study, patient or edition."""


class Conflict(RequestError):
    """It contradicts what is stored."""


class Stale(RequestError):
    """It has changed since the caller read it."""


class PreconditionMissing(RequestError):
    """It is not done unless the caller says which state was read."""


class TooLarge(RequestError):
    """More than this door takes; the detail names the door that takes it."""


class Unauthorized(ToxgradeError):
    """No credentials, or some that are unknown, expired or revoked."""


class Forbidden(ToxgradeError):
    """The caller's role does not allow it; the message names the role that would."""


@dataclass
class TooManyRequests(ToxgradeError):
    """This caller's share is used up; trying again after ``retry_after`` seconds is safe."""

    retry_after: int

    def __str__(self) -> str:
        return f"too many requests with this key; try again in {self.retry_after} s"


class Unavailable(ToxgradeError):
    """The database or the writer cannot answer now; trying again is safe."""


class NoSpace(Unavailable):
    """The disk is full; trying again is safe once there is space."""
