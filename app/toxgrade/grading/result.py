"""The types that go into grading and come out of it: laboratory results, courses and grades.

They are structs because millions are made: one takes a tenth of the time of a frozen dataclass.
"""

from datetime import date, datetime
from datetime import time as TimeOfDay
from decimal import Decimal
from typing import Literal, Self

import msgspec
from msgspec.structs import replace

from toxgrade.criteria.model import Term
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.reference_ranges import StudyRange

Phase = Literal["pre_treatment", "baseline", "acute", "late", "unknown"]
CertainPhase = Literal["pre_treatment", "acute", "late"]
PHASES: tuple[CertainPhase, ...] = ("pre_treatment", "acute", "late")
AFTER_START: tuple[CertainPhase, ...] = ("acute", "late")


class Place(msgspec.Struct, frozen=True, gc=False, order=True):
    """A course (its index) and a phase of it to which a result may belong."""

    course: int
    phase: CertainPhase


GRADED_STATUSES = ("final", "amended", "corrected")
WITHDRAWN = ("cancelled", "entered-in-error", "superseded")
OTHER_STATUSES = ("preliminary", *WITHDRAWN)


class Reported(msgspec.Struct, frozen=True, gc=False):
    """A number as the laboratory reported it; ``comparator`` is empty for a plain value."""

    number: Decimal
    comparator: Literal["", "<", "<=", ">", ">="] = ""

    @property
    def text(self) -> str:
        """Return it as reported, without an exponent: ``<0.2``."""
        return f"{self.comparator}{to_plain_text(self.number)}"


class Collected(msgspec.Struct, frozen=True, gc=False):
    """When a specimen was taken, as written, in the writer's own UTC offset (never converted).

    A partial date (``2011-04``) stands for every day from ``first`` to ``last``; a full date has
    both equal. ``time`` is None when no time of day was written; ``text`` is what was written.
    """

    text: str
    first: date
    last: date
    time: TimeOfDay | None = None


class LabResult(msgspec.Struct, frozen=True, gc=False):
    """One laboratory result as its sender reported it, with its numbers parsed.

    ``analyte`` is a name, alias or LOINC code; ``value`` None means none was sent; ``lln`` and
    ``uln`` are in ``limit_unit``, or in ``unit`` where that is None. ``is_baseline`` is the
    sender's own declaration; ``source_id`` and ``issued`` (when the laboratory released this
    version) or ``server_version`` (its number on a FHIR server) distinguish a correction from a
    repetition. ``unreadable`` and ``unreadable_limit`` are
    set for values, dates and limits of files that cannot be parsed (HTTP requests with such are
    refused). ``lab`` is the laboratory; ``study_range`` stands in for a range that is missing.
    ``source_scope`` is what ``source_id`` is unique within beside the analyte: its assigner and the
    code as sent, or a FHIR server's base; None only where version 0.1 stored the result, which kept
    none. ``specimen`` and ``indicator`` (normal, high, low) are the sender's words; None: not told.
    ``flags`` are what storing found (``STORED_FLAGS``).
    """

    analyte: str
    value: Reported | None
    unit: str | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None
    limit_unit: str | None = None
    collected: Collected | None = None
    status: str = "final"
    is_baseline: bool = False
    source_id: str | None = None
    issued: datetime | None = None
    server_version: int | None = None
    unreadable: Literal[Reason.UNREADABLE_VALUE, Reason.UNREADABLE_DATE] | None = None
    unreadable_limit: bool = False
    lab: str | None = None
    study_range: StudyRange | None = None
    source_scope: str | None = ""
    specimen: str | None = None
    indicator: str | None = None
    flags: tuple[Flag, ...] = ()


class Course(msgspec.Struct, frozen=True, gc=False):
    """A course of radiotherapy; ``end`` None: not ended yet if ``ongoing``, else not known.

    ``dose_gy`` is the total dose in Gy, given in ``fractions``; None: not known. ``start_time`` is
    the time of day of the start, by the writer's own clock as that of results; None: not known.
    """

    start: date | None
    end: date | None = None
    ongoing: bool = False
    dose_gy: Decimal | None = None
    fractions: int | None = None
    start_time: TimeOfDay | None = None

    @property
    def start_text(self) -> str | None:
        """Return the start as ISO 8601, ``2020-01-06`` or ``2020-01-06T09:00``; None: not known."""
        if self.start is None or self.start_time is None:
            return self.start.isoformat() if self.start else None
        time = self.start_time.isoformat().removesuffix(":00")
        return f"{self.start.isoformat()}T{time}"

    def started_before(self, day: date, at: TimeOfDay | None = None) -> bool:
        """Return whether it started on an earlier day, or that day at an earlier time.

        Where either time is not known, a whole day is not after the start.
        """
        if self.start is None or day != self.start:
            return self.start is not None and day > self.start
        return at is not None and self.start_time is not None and at > self.start_time

    @property
    def bed10_gy(self) -> Decimal | None:
        """Return the biologically effective dose in Gy, D (1 + d / (alpha/beta)), alpha/beta 10 Gy.

        D: total dose, d: dose per fraction (Fowler, Br J Radiol 1989;62:679-694). None if unknown.
        """
        if self.dose_gy is None or self.fractions is None:
            return None
        return self.dose_gy * (1 + self.dose_gy / self.fractions / 10)


class Grade(msgspec.Struct, frozen=True, gc=False):
    """A result graded for one term: the lowest and highest possible grade, and the explanation.

    ``at_least`` and ``at_most`` are None where nothing is known; ``at_most`` counts only grades
    that a number can decide. ``term`` is None for an analyte that is not graded. ``because`` is a
    sentence, never empty.
    """

    term: Term | None
    at_least: int | None
    at_most: int | None
    reason: Reason | None
    because: str
    flags: tuple[Flag, ...] = ()

    @property
    def grade(self) -> int | None:
        """Return the grade if it is decided (both bounds are equal), else None."""
        return self.at_least if self.at_least == self.at_most else None

    @property
    def criterion(self) -> str | None:
        """Return NCI's wording of the grade; None for grade 0 and for an undecided one."""
        return self.term.says(self.grade) if self.term and self.grade else None

    def flagged(self, *flags: Flag) -> Self:
        """Return the same grade with more flags, in the order of ``Flag``."""
        if not flags:
            return self
        return replace(self, flags=tuple(f for f in Flag if f in (*self.flags, *flags)))


class PatientGrade(msgspec.Struct, frozen=True, gc=False):
    """One result of one patient, graded for one term and placed in time.

    ``index`` is the result's position in the list that was graded. ``on_treatment`` and
    ``days_from_end`` (days after the end of radiotherapy, negative before) are None where the
    dates do not decide them. ``baseline_grade`` None: there is no baseline, or it is undecided.
    ``worse_than_baseline`` None: not known. ``places``: where a result of unknown phase may belong
    (``possible_places``); empty where the phase is known.
    """

    index: int
    grade: Grade
    phase: Phase
    on_treatment: bool | None
    days_from_end: int | None
    course: int | None
    baseline_grade: int | None
    worse_than_baseline: bool | None
    places: tuple[Place, ...] = ()
