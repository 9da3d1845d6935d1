"""Grading of a frame of laboratory results in memory, for notebooks and pipelines."""

from collections.abc import Mapping, Sequence

import polars as pl

from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.dictionary import read_dictionary
from toxgrade.grading.fields import FILE_COLUMNS
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.phase import Window, read_window
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.courses import NO_COURSES, patient_courses
from toxgrade.tabular.instants import refuse_undeclared, undeclared_instants
from toxgrade.tabular.layout import Layout
from toxgrade.tabular.layouts import recognise
from toxgrade.tabular.options import parse_timezone
from toxgrade.tabular.parquet_xlsx import as_text
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.table import apart
from toxgrade.tabular.treatment_columns import TreatmentColumns, treatment_columns

DATES_TWICE = (
    "the labs have rt_start or rt_end beside a patients table: give the treatment dates once: as"
    " columns of the labs, or in the patients table"
)


def grade(
    labs: pl.DataFrame,
    patients: pl.DataFrame | None = None,
    *,
    edition: str = "4.03",
    window: str | Window = "paper",
    interpretations: Mapping[str, str] | None = None,
    implausible: Implausible = "refuse",
    timezone: str | None = None,
    dictionary: Mapping[str, Mapping[str, str]] | None = None,
) -> pl.DataFrame:
    """Grade every row of a frame for every term of its analyte, exactly as ``toxgrade grade`` does.

    ``labs``: Toxgrade's own columns (patient, collected, analyte, value, unit, lln, uln) or SDTM
    LB, as texts, numbers or dates. ``patients``: patient, rt_start, rt_end and, as in a patients
    file, died, rt_course and rt_status, or SDTM DM; None: ``labs`` gives the dates, or there are
    none. ``window``: ``paper`` (3
    months after the end of radiotherapy), ``rtog90``, ``end90``, a text such as ``start+90d``, or a
    ``Window``. ``interpretations``: by name, the choices that are not the default ones.
    ``implausible``: refuse to grade such values, or grade and ``flag`` them. ``timezone``: the
    zone, such as ``Europe/Berlin``, in which instants (``Datetime`` in UTC) are calendar dates;
    without it they are refused unless all are midnight in UTC. A column in another zone has the
    dates of that zone. ``dictionary``: a site's own names beside ours, as the tables ``analytes``,
    ``units`` and ``specimens``, theirs to ours.

    Returns the columns of ``labs`` (a clashing one as ``in_NAME``), then ``FILE_COLUMNS``, and
    ``course`` (from 1) if ``patients`` has ``rt_course``: one row for each row and term, in input
    order. ``term``, ``reason``, ``criterion``, ``phase`` and ``flags`` are Enum or Categorical;
    grades are Int8. ``grade`` is null where it is undecided, and then ``reason`` says why; it lies
    between ``at_least`` and ``at_most``.

    Raises:
        FileError: columns are missing or of a kind that is no text, number or date; instants are in
            no declared zone; treatment dates cannot be read or contradict each other.
        CriteriaError: there is no such edition or interpretation.
        RequestError: an entry of the dictionary is not understood; its faults name it.
        ParseError: ``window`` is no window, or ``timezone`` no zone.
    """
    layout = recognise(labs.columns, "labs", DEFAULT_OPTIONS)
    criteria, choices = load(only=edition), tuple((interpretations or {}).items())
    names = read_dictionary(dictionary or {}, criteria.analytes.values())
    rules = Rules(edition, as_window(window), implausible, choices, names)
    grader = Graders(criteria).for_rules(rules)
    if timezone is not None:
        parse_timezone(timezone)
    rows = layout.rows(_texts(labs, layout.reads, layout.dates, "labs", timezone))
    courses, numbered = _courses(rows, patients, layout, timezone)
    graded = grade_rows(rows, grader, rules.window, courses)
    columns = (*FILE_COLUMNS, "course") if numbered else FILE_COLUMNS
    ours = graded.with_columns(edition=pl.lit(grader.edition.name)).select("row", *columns)
    given = labs[ours["row"]].rename(apart(labs.columns, columns))
    return pl.concat([given, ours.drop("row")], how="horizontal")


def as_window(window: str | Window) -> Window:
    """Return the window that a text means; a ``Window`` is one already."""
    return read_window(window) if isinstance(window, str) else window


def _texts(
    frame: pl.DataFrame, reads: Sequence[str], dates: Sequence[str], name: str, timezone: str | None
) -> pl.DataFrame:
    """Return a frame with the columns ``reads`` as texts, as a file's are; refuse instants in
    ``dates`` that are in no declared zone.
    """
    instants = frame.lazy().select(dates)
    refuse_undeclared(undeclared_instants(instants, timezone), dates, name)
    return frame.with_columns(as_text(n, frame.schema[n], name, timezone) for n in reads)


def _courses(
    rows: pl.DataFrame, patients: pl.DataFrame | None, layout: Layout, timezone: str | None
) -> tuple[pl.DataFrame, bool]:
    """Return the ``patient_courses`` of the patients frame, else of the labs' own ``rows``; and
    whether they are numbered.
    """
    named = layout.named
    in_labs = "rt_start" in named or "rt_end" in named
    if patients is None and not in_labs:
        return NO_COURSES, False
    if patients is None:
        given, name = rows.select("patient", start="rt_start", end="rt_end"), "labs"
        dates = named.get("rt_start", "rt_start"), named.get("rt_end", "rt_end")
        columns = TreatmentColumns("patient", *dates)
    elif in_labs:
        raise FileError(DATES_TWICE)
    else:
        columns, name = treatment_columns(patients.columns, "patients", DEFAULT_OPTIONS), "patients"
        read = {"patient": columns.patient} | columns.dates | columns.marks
        texts = _texts(patients, [*read.values()], [*columns.dates.values()], "patients", timezone)
        given = texts.select(pl.col(column).alias(field) for field, column in read.items())
    numbered = given.with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int64))
    return patient_courses(numbered, columns, name), columns.course is not None
