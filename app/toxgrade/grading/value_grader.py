"""The public ``toxgrade.Grader``, which grades one value as a caller writes it."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from toxgrade.criteria.interpretations import with_interpretations
from toxgrade.criteria.reader import load
from toxgrade.grading.dictionary import read_dictionary
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import read_limit, read_value
from toxgrade.grading.result import Grade, LabResult

Number = str | int | float | Decimal
"""A number as text or as a Python number; a float counts as its shortest text (``repr``)."""


class ValueGrade(msgspec.Struct, frozen=True):
    """A value graded for one term of CTCAE.

    ``term`` is None for an analyte that is not graded. ``grade`` is None where it is undecided:
    then it lies from ``at_least`` to ``at_most`` (None: nothing is known), and ``reason`` says why.
    ``because`` is a sentence that can be checked by hand; ``criterion`` is the wording of the US
    National Cancer Institute, None for grade 0 and for an undecided one.
    """

    term: str | None
    grade: int | None
    at_least: int | None
    at_most: int | None
    reason: Reason | None
    because: str
    flags: tuple[Flag, ...]
    criterion: str | None


class Grader:
    """An exact grader of single values by one edition of CTCAE; it does not import polars."""

    def __init__(
        self,
        edition: str = "4.03",
        *,
        interpretations: Mapping[str, str] | None = None,
        implausible: Implausible = "refuse",
        dictionary: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Load the criteria of an edition: ``4.03``, ``5.0`` or ``6.0``.

        ``interpretations`` maps an interpretation of CTCAE's text to a choice other than its
        default. ``implausible``: ``refuse`` leaves a number outside the plausible bands ungraded,
        ``flag`` grades and flags it. ``dictionary`` has a site's own names beside ours: tables
        ``analytes``, ``units`` and ``specimens``, theirs to ours.

        Raises:
            CriteriaError: there is no such edition, interpretation or choice; the message names
                those there are.
            RequestError: an entry of the dictionary is not understood; its faults name it.
        """
        criteria = load(only=edition)
        chosen = with_interpretations(criteria.edition(edition), interpretations or {})
        site = read_dictionary(dictionary or {}, criteria.analytes.values())
        self._grader = TermGrader(chosen, criteria.analytes, implausible, site or None)

    def grade(
        self,
        analyte: str,
        value: Number | None,
        unit: str | None = None,
        *,
        lln: Number | None = None,
        uln: Number | None = None,
        limit_unit: str | None = None,
        baseline: Number | None = None,
        specimen: str | None = None,
        indicator: str | None = None,
    ) -> list[ValueGrade]:
        """Grade a value for every term of its analyte (a name, alias or LOINC code).

        ``value`` and ``baseline`` are numbers of zero or more in ``unit``; a text may begin with <,
        <=, > or >=. ``lln`` and ``uln`` are the limits of normal of both, in ``limit_unit`` (None:
        in ``unit``). ``specimen`` None: blood. ``indicator`` is the laboratory's flag of ``value``:
        ``N``, ``H``, ``LOW``; it stands in for limits that are not given.

        Raises:
            ParseError: a number cannot be parsed; the message says what is accepted.
        """

        def result(number: Number | None) -> LabResult:
            return LabResult(
                analyte=analyte,
                value=None if number is None else read_value(str(number)),
                unit=unit,
                lln=None if lln is None else read_limit(str(lln)).number,
                uln=None if uln is None else read_limit(str(uln)).number,
                limit_unit=limit_unit,
                specimen=specimen,
            )

        graded = replace(result(value), indicator=indicator)
        before = None if baseline is None else result(baseline)
        terms = self._grader.terms(analyte) or (None,)
        return [_value_grade(self._grader.grade(graded, term, before)) for term in terms]


def _value_grade(grade: Grade) -> ValueGrade:
    return ValueGrade(
        grade.term.name if grade.term else None,
        grade.grade,
        grade.at_least,
        grade.at_most,
        grade.reason,
        grade.because,
        grade.flags,
        grade.criterion,
    )
