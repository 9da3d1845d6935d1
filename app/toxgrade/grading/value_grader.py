"""Grade one value as a caller writes it: the public ``toxgrade.Grader``."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from toxgrade.criteria.interpretations import with_interpretations
from toxgrade.criteria.reader import load
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import read_limit, read_value
from toxgrade.grading.result import Flag, Grade, LabResult, Reason

Number = str | int | float | Decimal
"""A number as text or as one of Python's; of a float, the shortest text that means it counts."""


class ValueGrade(msgspec.Struct, frozen=True):
    """A value graded for one term of CTCAE.

    ``term`` is None for an analyte that is not graded. ``grade`` is None where it is undecided: it
    lies from ``at_least`` to ``at_most`` then (None: nothing can be said), and ``reason`` says why.
    ``because`` is a sentence that can be checked by hand; ``criterion`` is the wording of the US
    National Cancer Institute, None for grade 0.
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
    """Grades single values by one edition of CTCAE, exactly; never imports polars."""

    def __init__(
        self,
        edition: str = "4.03",
        *,
        interpretations: Mapping[str, str] | None = None,
        implausible: Implausible = "refuse",
    ) -> None:
        """Read the criteria of an edition: ``4.03``, ``5.0`` or ``6.0``.

        ``interpretations``: the choice for each interpretation of CTCAE's text that is not the
        default one, by name. ``implausible``: ``refuse`` leaves a number outside the plausible
        bands ungraded, ``flag`` grades it and says so.

        Raises:
            CriteriaError: no such edition or interpretation; the message names those there are.
        """
        criteria = load(only=edition)
        chosen = with_interpretations(criteria.edition(edition), interpretations or {})
        self._grader = TermGrader(chosen, criteria.analytes, implausible)

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
    ) -> list[ValueGrade]:
        """Grade a value for every term of its analyte (a name, alias or LOINC code).

        ``value`` and ``baseline``: a number of zero or more, as text optionally after <, <=, > or
        >=; both in ``unit``. ``lln`` and ``uln`` limit the reference range, in ``limit_unit``
        (None: in ``unit``), the baseline's too.

        Raises:
            ParseError: a number cannot be read; the message says what is accepted.
        """

        def result(number: Number | None) -> LabResult:
            return LabResult(
                analyte=analyte,
                value=None if number is None else read_value(str(number)),
                unit=unit,
                lln=None if lln is None else read_limit(str(lln)).number,
                uln=None if uln is None else read_limit(str(uln)).number,
                limit_unit=limit_unit,
            )

        sent = result(value)
        before = None if baseline is None else result(baseline)
        terms = self._grader.terms(analyte) or (None,)
        return [_shown(self._grader.grade(sent, term, before)) for term in terms]


def _shown(grade: Grade) -> ValueGrade:
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
