"""The pydantic types of request fields, and a lab value made of them.

Every error message says what is accepted; none repeats what was sent.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from toxgrade.errors import ParseError
from toxgrade.grading import parse
from toxgrade.grading.result import Collected, Reported
from toxgrade.server.records.studies import PATIENT_NAME, STUDY_NAME

_DATE = f"expected a calendar date such as 2011-01-24, in the {parse.YEARS}"
_LONGEST = 200  # characters of a number or date
_MOST_UNKNOWN = 20  # fields of one object that are named
_ISSUED = "expected a date-time with its offset, such as 2011-04-23T14:45:00+02:00"


def refuse(code: str, message: str) -> PydanticCustomError:
    """Return the error that a validator raises; pydantic adds the field's place."""
    return PydanticCustomError(code, message)


def number_validator(
    parse_text: Callable[[str], Reported], code: str, accepted: str
) -> Callable[[object], object]:
    """Return a validator that parses a JSON number or text; an empty text becomes None."""

    def validate(given: object) -> Reported | None:
        if given is None or given == "":
            return None
        if isinstance(given, bool) or not isinstance(given, int | Decimal | str):
            raise refuse(code, f"expected {accepted}")
        try:
            text = str(given)
            if len(text) > _LONGEST:  # What is accepted is remembered.
                raise refuse(code, f"expected {accepted}")
            return parse_text(text)
        except ParseError as error:
            raise refuse(error.code, error.message) from None

    return validate


def _read_date(given: object, code: str, message: str) -> Collected | None:
    """Parse a date as reported; None if empty. Raise ``message`` under ``code`` if unreadable."""
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > _LONGEST:
        raise refuse(code, message)
    try:
        return parse.read_collected(given)
    except ParseError:
        raise refuse(code, message) from None


def _collected(given: object) -> Collected | None:
    return _read_date(given, "unreadable-date", f"expected {parse.ACCEPTED_DATE}")


def _day(given: object) -> date | None:
    read = _read_date(given, "unreadable-date", _DATE)
    if read is not None and read.first != read.last:
        raise refuse("partial-date", _DATE)
    return read.first if read else None


def _start(given: object) -> tuple[date, time | None] | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise refuse("unreadable-date", f"expected {parse.ACCEPTED_START}")
    try:
        return parse.read_start(given)
    except ParseError as error:
        raise refuse(error.code, f"expected {parse.ACCEPTED_START}") from None


def _issued(given: object) -> datetime | None:
    if given is None or given == "":
        return None
    try:
        issued = datetime.fromisoformat(given) if isinstance(given, str) else None
        if issued is not None and issued.tzinfo is not None and issued.astimezone(UTC):
            return issued
    except (ValueError, OverflowError):  # In UTC it may lie before year 1 or after year 9999.
        pass
    raise refuse("unreadable-date-time", _ISSUED)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise refuse("unprintable", "expected text without control characters")
    return text


ACCEPTED_LIMIT = f"{parse.ACCEPTED_LIMIT[0].upper()}{parse.ACCEPTED_LIMIT[1:]}."
DIGITS = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_DAY = parse.FULL_DATE[1:-1]
_START = parse.START_DATE[1:-1]
_AT = f"{_DAY}|(19|2[0-2])[0-9]{{2}}(-(0[1-9]|1[0-2]))?"


def json_schema(
    described: str, text: Mapping[str, object], *examples: object, **number: object
) -> WithJsonSchema:
    """Return the JSON Schema of a text, an empty one or null; with ``number``, of a number too."""
    types = [{"type": "string", **text}, {"type": "string", "maxLength": 0}, {"type": "null"}]
    types += [{"type": "number", **number}] if number else []
    return WithJsonSchema({"anyOf": types, "description": described, "examples": list(examples)})


def pattern(regex: str) -> dict[str, object]:
    """Return the schema of a text that matches, white space around it left out."""
    return {"pattern": rf"^[ \t\r\n]*({regex})[ \t\r\n]*$"}


Value = Annotated[
    Reported | None,
    PlainValidator(number_validator(parse.read_value, "unreadable-value", parse.ACCEPTED_VALUE)),
    json_schema(f"As reported: {parse.ACCEPTED_VALUE}.",
                pattern(rf"(<=|>=|<|>|≤|≥)?[ \t]*{DIGITS}"), "1.8", 1.8, "<0.2",
                minimum=0, exclusiveMaximum=1e15),
]  # fmt: skip
LimitOfNormal = Annotated[
    Reported | None,
    PlainValidator(number_validator(parse.read_limit, "unreadable-limit", parse.ACCEPTED_LIMIT)),
    json_schema(ACCEPTED_LIMIT, pattern(DIGITS), "1.2", 1.2, minimum=0, exclusiveMaximum=1e15),
]  # fmt: skip
CollectedAt = Annotated[
    Collected | None, PlainValidator(_collected),
    json_schema(f"When the specimen was taken: {parse.ACCEPTED_DATE}.", pattern(_AT), "2011-04-23"),
]  # fmt: skip
Day = Annotated[
    date | None, PlainValidator(_day),
    json_schema("A calendar date.", pattern(_DAY), "2011-01-24"),
]  # fmt: skip
Start = Annotated[
    tuple[date, time | None] | None, PlainValidator(_start),
    json_schema(f"The first day, and its time if that is known: {parse.ACCEPTED_START}."
                " A result taken later that day, if it has a time, is no baseline.",
                pattern(_START), "2011-01-24", "2011-01-24T09:00"),
]  # fmt: skip
Issued = Annotated[
    datetime | None, PlainValidator(_issued),
    json_schema("When the laboratory released this version.", {"format": "date-time"},
                "2011-04-23T14:45:00+02:00"),
]  # fmt: skip
_PRINTABLE = {"pattern": "^[^\u0000-\u001f\u007f-\u00a0]*$"}
Text = Annotated[
    str, Field(max_length=200, json_schema_extra=_PRINTABLE), AfterValidator(_printable)
]
Name = Annotated[Text, Field(min_length=1)]
Key = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
"""A text as the name of a field: with a pattern, the OpenAPI document would leave open what others
hold."""
StudyName = Annotated[str, Field(pattern=f"^{STUDY_NAME.pattern}$", examples=["demo"])]
PatientName = Annotated[str, Field(pattern=f"^{PATIENT_NAME.pattern}$", examples=["P01"])]


class RequestModel(BaseModel):
    """Unknown fields are refused: a misspelt ``uln`` must not pass as a missing one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _few_unknown(cls, given: object) -> object:
        """Leave the first unknown fields of many: each costs a hundred times its own size."""
        if not isinstance(given, dict) or len(given) <= _MOST_UNKNOWN:
            return given
        known = {name: given[name] for name in cls.model_fields if name in given}
        unknown = (name for name in given if name not in cls.model_fields)
        return known | {name: given[name] for name in islice(unknown, _MOST_UNKNOWN)}
