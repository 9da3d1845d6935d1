"""The request bodies; errors in them name the field."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from msgspec.structs import replace
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from toxgrade.cohort.definition import LIVER_ENZYMES
from toxgrade.cohort.described import meaning
from toxgrade.errors import FieldFault, ParseError, RequestError
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.phase import PRESETS, Window, course_faults, read_window
from toxgrade.grading.result import Course, LabResult
from toxgrade.server.api.fields import Day, Key, Name, RequestModel, Start, Text, refuse
from toxgrade.server.api.lab_values import Labs
from toxgrade.server.api.patient_answers import CourseAnswer
from toxgrade.server.api.study_answers import RowAnswer, StudyAnswer
from toxgrade.server.records.identity import Loc


def _whole(given: object) -> object:
    """Return a JSON number such as 3.0, which is a whole one in JSON, as an integer."""
    if isinstance(given, Decimal) and given.adjusted() < _MOST_DIGITS and given == int(given):
        return int(given)
    return given


_MOST_DIGITS = 15
AS_WHOLE = BeforeValidator(_whole)
"""Stands last in an annotation: bounds that follow it are missing in the OpenAPI document."""


EDITIONS = ("4.03", "4.0", "5.0", "6.0")
"""The names of the editions that are read, for the OpenAPI document."""

Edition = Annotated[Text, Field(json_schema_extra={"enum": list(EDITIONS)})]


class Radiotherapy(RequestModel):
    """A course of radiotherapy; ``in-progress`` says that it has not ended yet."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["start"]}, {"required": ["end"]}]}
    )

    start: Start = None
    end: Day = Field(None, description=meaning(CourseAnswer, "end"))
    status: Literal["in-progress", "completed"] | None = Field(
        None, description=meaning(CourseAnswer, "status")
    )

    @model_validator(mode="after")
    def _has_a_date(self) -> Self:
        if self.start is None and self.end is None:
            raise refuse("empty-course", "expected a start, an end or both; null clears a course")
        return self

    def course(self) -> Course:
        start, time = self.start or (None, None)
        ongoing = self.status == "in-progress"
        return Course(start, self.end, ongoing=ongoing, start_time=time)


class WindowLength(RequestModel):
    """How long toxicity counts as acute after ``anchor``: so many months, or so many days."""

    anchor: Literal["end", "start"]
    months: Annotated[int, Strict(), AS_WHOLE] | None = None
    days: Annotated[int, Strict(), AS_WHOLE] | None = None

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        try:
            self.window()
        except ValueError as error:
            raise refuse("window-length", str(error)) from None
        return self

    def window(self) -> Window:
        return Window(self.anchor, self.months, self.days)


def _written(given: object) -> object:
    """Return a window that is written as a text with the fields of ``WindowLength``."""
    if isinstance(given, dict | WindowLength):
        return given
    try:
        window = read_window(given if isinstance(given, str) else "")
    except ParseError as error:
        text = f"{error.message}, or an anchor with months or days"
        raise refuse("unknown-window", text) from None
    return {"anchor": window.anchor, "months": window.months, "days": window.days}


def _object_schema(length: str, most: int, other: str) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {
            "anchor": {"type": "string", "enum": ["end", "start"], "description": "Of what."},
            length: {
                "type": "integer",
                "minimum": 0,
                "maximum": most,
                "description": "How long after.",
            },
            other: {"type": "null", "description": f"Left out beside {length}, or null."},
        },
        "required": ["anchor", length],
        "additionalProperties": False,
    }


_MONTHS = "[0-9]{1,2}|1[01][0-9]|120"
_DAYS = "[0-2]?[0-9]{1,3}|3[0-5][0-9]{2}|36[0-4][0-9]|365[0-3]"
_WINDOW_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": list(PRESETS)},
        {"type": "string", "pattern": rf"^(end|start)\+(({_MONTHS})m|({_DAYS})d)$"},
        _object_schema("months", 120, "days"),
        _object_schema("days", 3653, "months"),
    ],
    "description": "A preset, a text such as `end+6m` or `start+90d`, or the acute window's anchor"
    " with its months or its days.",
    "examples": ["paper", "end+6m", {"anchor": "end", "months": 3}],
}
WindowField = Annotated[WindowLength, BeforeValidator(_written), WithJsonSchema(_WINDOW_SCHEMA)]


def _tables(given: object, read: ValidatorFunctionWrapHandler) -> object:
    """Return the tables of a dictionary, and a ConceptMap as it is: the study's route reads it."""
    is_map = isinstance(given, dict) and given.get("resourceType") == "ConceptMap"
    return given if is_map else read(given)


InterpretationsField = Annotated[
    dict[Key, Text],
    Field(max_length=50),
    AfterValidator(lambda choices: dict(sorted(choices.items()))),
    Field(
        default_factory=dict,
        description="The reading of each interpretation that `GET /v1/criteria` names; what is left"
        " out is read by default.",
        examples=[{"hypokalemia": "grade-1"}],
    ),
]


DictionaryField = Annotated[
    dict[Key, dict[Key, Text]],
    WrapValidator(_tables),
    Field(
        default_factory=dict,
        description="The site's own names of tests, units and specimens, each with ours, for every"
        " door of this study. A FHIR ConceptMap is read too.",
        examples=[{
            "analytes": {"POTAS": "potassium", "http://lab.example|K": "potassium"},
            "units": {"cells/cumm": "/mm3"}, "specimens": {"SST": "serum"},
        }],
    ),
]  # fmt: skip


class Panel(RequestModel):
    """Results of one patient, with the baseline and the course of radiotherapy they belong to."""

    radiotherapy: Radiotherapy | None = Field(
        None,
        description="The first course. Where results are stored: left out, it stays; null clears.",
    )
    baseline: Annotated[Labs, Field(default_factory=list)] = Field(
        description="Results up to the start, which go before what the dates say."
    )
    results: Annotated[
        Labs, Field(description="May be empty; with the baseline at most 5,000 unless set.")
    ]

    def labs(self) -> list[tuple[Loc, LabResult]]:
        """Return every entry with its place in the request: the results, then the baseline."""
        return [
            *((("results", i), lab) for i, lab in enumerate(self.results)),
            *((("baseline", i), replace(lab, is_baseline=True))
              for i, lab in enumerate(self.baseline)),
        ]  # fmt: skip

    def courses(self) -> tuple[Course, ...]:
        """Return the course of radiotherapy; empty if none was sent.

        Raises:
            RequestError: its dates contradict each other.
        """
        courses = (self.radiotherapy.course(),) if self.radiotherapy else ()
        if faults := course_faults(courses):
            named = [
                FieldFault(("radiotherapy", *fault.loc[1:]), fault.code, fault.message)
                for fault in faults
            ]
            raise RequestError("the radiotherapy dates contradict each other", named)
        return courses


class GradeRequest(Panel):
    """A panel to grade without storing it."""

    edition: Edition = Field("4.03", description="`4.0` means `4.03`.")
    window: WindowField = WindowLength(anchor="end", months=3)
    interpretations: InterpretationsField
    dictionary: DictionaryField


class RowRequest(RequestModel):
    """A row of the toxicity table: the highest grade of its terms."""

    label: Name = Field(description=meaning(RowAnswer, "label"))
    terms: list[Name] = Field(min_length=1, max_length=50, description=meaning(RowAnswer, "terms"))
    with_baseline: bool = Field(False, description=meaning(RowAnswer, "with_baseline"))


class StudyRequest(RequestModel):
    """What a study chooses; what is left out takes its default."""

    edition: Edition = Field("4.03", description=meaning(StudyAnswer, "edition"))
    window: WindowField = WindowLength(anchor="end", months=3)
    liver_enzymes: list[Text] = Field(
        list(LIVER_ENZYMES), min_length=1, max_length=20,
        description=meaning(StudyAnswer, "liver_enzymes"),
    )  # fmt: skip
    rows: list[RowRequest] | None = Field(
        None, min_length=1, max_length=100, description=meaning(StudyAnswer, "rows")
    )
    clinical_terms: list[Name] = Field(
        [], max_length=200, description=meaning(StudyAnswer, "clinical_terms")
    )
    interpretations: InterpretationsField
    dictionary: DictionaryField
    implausible: Implausible = Field("refuse", description=meaning(StudyAnswer, "implausible"))
