"""The courses of an export's patients by number, and each result's place in time by them.

``grading/phase.py`` places one result by the courses of its patient; see ``phase.py`` here.
"""

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from toxgrade.grading.columns.impossible_dates import likely_days
from toxgrade.grading.columns.interning import text_index
from toxgrade.grading.columns.phase import (
    last_acute_days,
    phase_text,
    place_columns,
    possible_columns,
)
from toxgrade.grading.columns.unplaced import why_unplaced
from toxgrade.grading.phase import OLD_BASELINE, Window

_DAY = timedelta(days=1)
_ABSENT = {
    "ongoing": pl.Boolean, "rt_start_time": pl.Time, "died": pl.Date,
    "sex": pl.String, "birth_year": pl.Int32,
}  # fmt: skip


class PatientCourses:
    """The patients of an export, numbered as they are met, and their courses.

    ``courses`` has a row per course: ``patient`` String, ``rt_start``, ``rt_end`` Date and, if
    there are any, ``rt_start_time`` Time, ``ongoing`` Boolean and, the same on all rows of a
    patient, ``died`` Date (the last possible day of death), ``sex`` (female, male) and
    ``birth_year`` Int32; null: unknown. Several courses of a patient
    have starts, no two the same. ``most`` is the number of courses of the patient who has most.

    The number of a course is that of its patient x ``most`` + its place in order of starts, from 0.
    """

    def __init__(self, window: Window, courses: pl.DataFrame) -> None:
        self._window = window
        missing = (pl.lit(None, t).alias(n) for n, t in _ABSENT.items() if n not in courses.columns)
        self._given = courses.with_columns(missing)
        self.most = 1
        if self._given["patient"].n_unique() < len(courses):
            rank = pl.col("rt_start").rank("ordinal").over("patient")  # Null: alone, no start.
            self._given = self._given.with_columns(place=rank.fill_null(1).cast(pl.Int64) - 1)
            self.most = 1 + int(self._given["place"].max())  # type: ignore[arg-type]
        self._dates = ["rt_start", "rt_end", "until"]
        if self._given["ongoing"].any():
            self._dates.append("ongoing")
        self._names = text_index()
        self.table = self._of(self._names.known)  # Row n is course n.

    def _of(self, names: pl.DataFrame) -> pl.DataFrame:
        """Return the courses of patients in their order, each with its last acute day (``until``)
        and its ``likely_days``; without dates where there is none.
        """
        until = last_acute_days(self._window).alias("until")
        courses = self._given.with_columns(until, *likely_days())
        patients, own = names.rename({"text": "patient"}), ["patient"]
        if self.most > 1:
            places = pl.DataFrame({"place": pl.int_range(self.most, eager=True)})
            patients, own = patients.join(places, how="cross"), ["patient", "place"]
        return patients.join(courses, on=own, how="left", maintain_order="left")

    def number(self, patients: pl.Series) -> pl.Series:
        """Return the number of each patient (UInt32; null: no patient), which never changes."""
        return self._names.numbers(patients)

    def learn(self, courses: pl.DataFrame) -> None:
        """Add the courses of patients of whom no row has been read yet, one of each."""
        if len(courses):
            self._given = pl.concat([self._given, courses], how="diagonal")

    def meet(self) -> None:
        """Look up the courses of the patients who were numbered since the last call."""
        met = len(self.table) // self.most
        if len(self._names.known) > met:
            new = self._of(self._names.known[met:])
            self.table = pl.concat([self.table, new], rechunk=True)

    @property
    def patients(self) -> pl.DataFrame:
        """Return the patients by number, each with the first course and the ``next_start``."""
        first = self.table.gather_every(self.most).drop("until", "likely_from", "likely_until")
        later = self.table["rt_start"].gather_every(self.most, 1) if self.most > 1 else None
        return first.with_columns(pl.lit(later, dtype=pl.Date).alias("next_start"))

    @property
    def names(self) -> pl.Series:
        """Return every patient who was numbered or has a course, each once."""
        return pl.concat([self._names.known["text"], self._given["patient"]]).unique()

    def persons(self, who: pl.Series) -> pl.DataFrame:
        """Return ``sex`` and ``birth_year`` of each patient."""
        return self.table.select("sex", "birth_year")[who.cast(pl.Int64) * self.most]

    @property
    def died(self) -> pl.Series:
        """Return each patient's day of death, by number."""
        return self.table["died"].gather_every(self.most)

    def of_days(self, who: pl.Series, days: pl.Series) -> pl.Series:
        """Return the number of the latest course that started by each day, else of the first."""
        if self.most == 1:
            return who
        first = who.cast(pl.Int64) * self.most
        course = first
        for later in range(1, self.most):
            started = self.table["rt_start"].gather(first + later) <= days
            course = course + started.fill_null(False).cast(pl.Int64)
        return course

    def starts(self, who: pl.Series) -> Iterator[tuple[pl.Series, pl.Series, pl.Series]]:
        """Yield, from the first course to the last, its number (Int64), start and time of the start
        for each of ``who``.
        """
        first = who.cast(pl.Int64) * self.most
        for place in range(self.most):
            course = first + place
            days, times = self.table["rt_start"], self.table["rt_start_time"]
            yield course, days.gather(course), times.gather(course)

    def later_that_day(self, read: pl.DataFrame, times: pl.Series) -> pl.Series | None:
        """Return whether results were taken on the day of a start, but after its time; None: of no
        start the time is known.
        """
        if not self.table["rt_start_time"].count():
            return None
        own = self.of_days(read["who"], read["first"])
        starts = self.table.select("rt_start", "rt_start_time")[own]
        later = (read["first"] == starts["rt_start"]) & (times > starts["rt_start_time"])
        return later.fill_null(False).alias("later_that_day")

    def may_be_early(self, read: pl.DataFrame) -> pl.Series:
        """Return which results may be from up to the start of a course; most are certainly not."""
        start = self.table["rt_start"].gather(self.of_days(read["who"], read["first"]))
        latest = start
        if self.most > 1:
            for _, later, _ in self.starts(read["who"]):
                latest = later.zip_with(later.is_not_null(), latest)
        early = (read["first"] <= latest).fill_null(False)
        return early | (read["first"].is_null() & start.is_not_null())

    def place(self, read: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        """Return each row with its number, its course and its place in time."""
        own = self.of_days(read["who"], read["first"])
        frame = read.hstack(self.table.select(self._dates)[own])
        frame = frame.with_columns(row=numbers, course=own)
        if "ongoing" not in frame.columns:
            frame = frame.with_columns(ongoing=pl.lit(False))
        if "later_that_day" in frame.columns:  # As if treatment had begun the day before.
            start = pl.col("rt_start") - pl.col("later_that_day").cast(pl.Int8) * _DAY
            frame = frame.with_columns(start)
        partial = bool((read["first"] != read["last"]).any())
        until = pl.col("until")
        placed = frame.with_columns(
            *place_columns(self._window, until, partial=partial),
            *possible_columns(self._window, until),
        )
        if self.most > 1:
            placed = self._by_several(placed)
        place = pl.col("course") % self.most
        treated = pl.col("rt_start").is_not_null() | pl.col("rt_end").is_not_null()
        started = (pl.col("first") > pl.col("rt_start")).fill_null(False)
        declared = pl.col("declared") & ~started
        if self.most > 1:  # A later course has begun after the first one.
            declared &= place == 0
        return placed.with_columns(unplaced=why_unplaced()).select(
            "row", "first", "last", "declared", "phase", "on_treatment", "days_from_end",
            "no_radiotherapy_end", "unplaced", "may_be_acute", "may_be_late", "after_start",
            course=pl.col("course").cast(pl.Int64),
            of_patient=pl.when(treated).then(place + 1 if self.most > 1 else 1).cast(pl.Int8),
            before_start=(pl.col("phase") == "pre_treatment") | declared,
            has_started=started,
            old=(pl.col("rt_start") - pl.col("last")) > OLD_BASELINE,
        )  # fmt: skip

    def _by_several(self, placed: pl.DataFrame) -> pl.DataFrame:
        """Return rows that are placed by the course of their first day as placed by all courses.

        One that may belong to two courses has no phase. What may be acute or late is told of the
        first course, which ends when the next one starts.
        """
        who, first = placed["who"], placed["first"]
        crosses = (placed["course"] != self.of_days(who, placed["last"])).fill_null(False)
        next_start = self.table["rt_start"].gather(who.cast(pl.Int64) * self.most + 1)
        elsewhere = (first >= next_start).fill_null(False)
        within = placed.with_columns(last=pl.min_horizontal("last", pl.lit(next_start - _DAY)))
        possible = within.select(possible_columns(self._window, pl.col("until")))
        return placed.with_columns(
            pl.when(~crosses).then("phase").otherwise(phase_text("unknown")).alias("phase"),
            pl.when(~crosses).then("on_treatment").alias("on_treatment"),
            pl.col("no_radiotherapy_end") & ~crosses,
            possible["may_be_acute"] & ~elsewhere,
            possible["may_be_late"] & ~elsewhere,
            possible["after_start"] & ~(elsewhere | crosses),
        )
