"""A patient in a request: courses with their dose, follow-up, sex and year of birth."""

from datetime import date
from typing import Annotated, Self

from msgspec.structs import replace
from pydantic import AfterValidator, Field, PlainValidator, Strict, model_validator

from toxgrade.cohort.described import meaning
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.parse import ACCEPTED_LIMIT, FIRST_YEAR, LAST_YEAR, YEARS, read_limit
from toxgrade.grading.phase import MOST_COURSES, course_faults
from toxgrade.grading.reference_ranges import Sex
from toxgrade.grading.result import Course, Reported
from toxgrade.server.api.fields import (
    DIGITS,
    Day,
    RequestModel,
    Text,
    json_schema,
    number_validator,
    pattern,
    refuse,
)
from toxgrade.server.api.patient_answers import CourseAnswer, PatientAnswer
from toxgrade.server.api.requests import AS_WHOLE, Radiotherapy
from toxgrade.server.records.current_state import FollowUp, VitalStatus
from toxgrade.server.records.patient_record import PatientRecord, PersonFields


def _dose(dose: Reported | None) -> Reported | None:
    if dose is not None and not 0 < dose.number <= 500:
        raise refuse("dose-out-of-range", "expected a total dose in Gy above 0 and at most 500")
    return dose


Dose = Annotated[
    Reported | None,
    PlainValidator(number_validator(read_limit, "unreadable-dose", ACCEPTED_LIMIT)),
    AfterValidator(_dose),
    json_schema("The total dose in Gy, above 0 and at most 500.", pattern(DIGITS), "21", 21,
            exclusiveMinimum=0, maximum=500),
]  # fmt: skip


class CourseRequest(Radiotherapy):
    """A course with its dose."""

    dose_gy: Dose = None
    fractions: Annotated[int, Strict(), Field(ge=1, le=100), AS_WHOLE] | None = Field(
        None, description=meaning(CourseAnswer, "fractions")
    )

    def course(self) -> Course:
        dose = self.dose_gy.number if self.dose_gy else None
        return replace(super().course(), dose_gy=dose, fractions=self.fractions)


class PatientRequest(RequestModel):
    """What is left out stays as it is; ``courses`` are listed by start, empty clears them."""

    courses: Annotated[list[CourseRequest], Field(max_length=MOST_COURSES)] | None = Field(
        None, description=meaning(PatientAnswer, "courses")
    )
    last_contact: Day = Field(None, description=meaning(PatientAnswer, "last_contact"))
    vital_status: VitalStatus | None = Field(
        None, description=meaning(PatientAnswer, "vital_status")
    )
    cause: Text | None = Field(None, description=meaning(PatientAnswer, "cause"))
    sex: Sex | None = Field(None, description="Decides reference ranges of the study; null clears.")
    birth_year: Annotated[int, Strict(), Field(ge=1880, le=LAST_YEAR), AS_WHOLE] | None = Field(
        None, description="As `sex` does; null clears."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.vital_status is not None and self.last_contact is None:
            raise refuse("missing-last-contact", "expected last_contact with vital_status")
        if self.cause is not None and self.vital_status != "dead":
            raise refuse("cause-of-no-death", "expected a cause only with vital_status dead")
        return self

    def record(self) -> PatientRecord:
        """Return what to record.

        Raises:
            RequestError: the courses contradict each other, or the last contact is out of range.
        """
        courses = None if self.courses is None else tuple(c.course() for c in self.courses)
        faults = [
            FieldFault(("courses", *fault.loc), fault.code, fault.message)
            for fault in course_faults(courses or ())
        ]
        faults += _out_of_range(self.last_contact)
        if faults:
            raise RequestError("the patient's dates cannot be accepted", faults)
        sent = {"last_contact", "vital_status", "cause"} & self.model_fields_set
        follow_up = FollowUp(self.last_contact, self.vital_status, self.cause) if sent else None
        return PatientRecord(courses, follow_up, self._person())

    def _person(self) -> PersonFields:
        person = PersonFields()
        if "sex" in self.model_fields_set:
            person["sex"] = self.sex
        if "birth_year" in self.model_fields_set:
            person["birth_year"] = self.birth_year
        return person


def _out_of_range(day: date | None) -> list[FieldFault]:
    if day is None or FIRST_YEAR <= day.year <= LAST_YEAR:
        return []
    text = f"expected a date in the {YEARS}"
    return [FieldFault(("last_contact",), "date-out-of-range", text)]
