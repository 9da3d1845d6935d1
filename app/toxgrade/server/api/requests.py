"""The request bodies; errors in them name the field."""

from typing import Annotated, Literal, Self

from msgspec.structs import replace
from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema, model_validator

from toxgrade.cohort.definition import LIVER_ENZYMES
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.phase import PRESETS, Window, course_faults
from toxgrade.grading.result import Course, LabResult
from toxgrade.server.api.fields import Day, Lab, Name, RequestModel, Text, refuse
from toxgrade.server.records.identity import Loc

_StrictInt = Annotated[int, Strict()]


class Radiotherapy(RequestModel):
    """A course of radiotherapy; ``in-progress`` says that it has not ended yet."""

    start: Day = None
    end: Day = None
    status: Literal["in-progress", "completed"] | None = None

    @model_validator(mode="after")
    def _has_a_date(self) -> Self:
        if self.start is None and self.end is None:
            raise refuse("empty-course", "expected a start, an end or both; null clears a course")
        return self

    def course(self) -> Course:
        return Course(self.start, self.end, ongoing=self.status == "in-progress")


class WindowLength(RequestModel):
    """How long toxicity counts as acute after ``anchor``: so many months, or so many days."""

    anchor: Literal["end", "start"]
    months: _StrictInt | None = None
    days: _StrictInt | None = None

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        try:
            self.window()
        except ValueError as error:
            raise refuse("window-length", str(error)) from None
        return self

    def window(self) -> Window:
        return Window(self.anchor, self.months, self.days)


def _preset(given: object) -> object:
    if not isinstance(given, str):
        return given
    if given not in PRESETS:
        names = ", ".join(PRESETS)
        raise refuse("unknown-window", f"expected {names}, or an anchor with months or days")
    window = PRESETS[given]
    return {"anchor": window.anchor, "months": window.months, "days": window.days}


_WINDOW_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": list(PRESETS)},
        {
            "type": "object",
            "properties": {
                "anchor": {"type": "string", "enum": ["end", "start"]},
                "months": {"type": "integer", "minimum": 0, "maximum": 120},
                "days": {"type": "integer", "minimum": 0, "maximum": 3653},
            },
            "required": ["anchor"],
            "additionalProperties": False,
        },
    ],
    "description": "A preset, or the acute window's anchor with its months or days.",
    "examples": ["paper", {"anchor": "end", "months": 3}],
}
WindowField = Annotated[WindowLength, BeforeValidator(_preset), WithJsonSchema(_WINDOW_SCHEMA)]


InterpretationsField = Annotated[
    dict[Text, Text],
    AfterValidator(lambda choices: dict(sorted(choices.items()))),
    Field(
        default_factory=dict,
        max_length=50,
        description="The reading of each interpretation that `GET /v1/criteria` names; what is left"
        " out is read by default.",
        examples=[{"hypokalemia": "grade-1"}],
    ),
]


class Panel(RequestModel):
    """Results of one patient, with the baseline and the course of radiotherapy they belong to."""

    radiotherapy: Radiotherapy | None = None
    baseline: Annotated[list[Lab], Field(default_factory=list)]
    results: list[Lab]

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

    edition: Text = Field("4.03", description="`4.0` means `4.03`.")
    window: WindowField = WindowLength(anchor="end", months=3)
    interpretations: InterpretationsField


class RowRequest(RequestModel):
    """A row of the toxicity table: the highest grade of its terms."""

    label: Name
    terms: list[Name] = Field(min_length=1, max_length=50)
    with_baseline: bool = False


class StudyRequest(RequestModel):
    """What a study chooses; what is left out takes its default."""

    edition: Text = "4.03"
    window: WindowField = WindowLength(anchor="end", months=3)
    liver_enzymes: list[Text] = Field(list(LIVER_ENZYMES), min_length=1, max_length=20)
    rows: list[RowRequest] | None = Field(
        None, min_length=1, max_length=100, description="Of the toxicity table; null: the paper's."
    )
    interpretations: InterpretationsField
    implausible: Implausible = Field(
        "refuse", description="A number outside the plausible band is left ungraded, or flagged."
    )
