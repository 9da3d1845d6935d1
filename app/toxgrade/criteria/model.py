"""The rules as plain data: editions of CTCAE, their terms and limits, and the analytes.

Everything here is frozen and built once by ``reader.py`` from the TOML files beside it. Numbers are
exact: limits are ``Decimal`` as NCI printed them, unit factors are ``Fraction``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from toxgrade.errors import CriteriaError

if TYPE_CHECKING:
    from toxgrade.criteria.interpretations import Interpretation

Comparison = Literal[">", ">=", "<", "<="]
Reference = Literal["ULN", "LLN", "baseline"]
Direction = Literal["high", "low"]

PURE = "1"
"""The unit of a quantity that has none: INR, pH."""


@dataclass(frozen=True, slots=True)
class Condition:
    """``if baseline > ULN``: whether the patient's own baseline, or the value itself, was beyond.

    A baseline is judged with its own reference range, never with a later laboratory's.
    """

    subject: Literal["baseline", "value"]
    comparison: Comparison
    limit: Reference

    @property
    def wants_beyond(self) -> bool:
        """True for ``> ULN`` and ``< LLN``, False for ``<= ULN`` and ``>= LLN``."""
        return self.comparison in (">", "<")


@dataclass(frozen=True, slots=True)
class Limit:
    """One way to reach a grade: compared with ``multiple`` x ``reference`` + ``amount`` ``unit``.

    ``reference`` None means an absolute limit (``< 30 g/L``; multiple is 0). ``unit`` None means
    that ``amount`` is 0 and the limit carries no unit of its own (``> 1.5 x ULN``); ``PURE`` that
    the quantity has none (pH ``< 7.3``).
    A fall of 25 % from baseline is kept as 0.75 x baseline, which is the same number.
    """

    comparison: Comparison
    multiple: Decimal
    reference: Reference | None
    amount: Decimal
    unit: str | None
    condition: Condition | None
    text: str
    """The limit as the criteria file writes it, without condition: ``1.5 x ULN``, ``30 g/L``."""

    @property
    def when(self) -> str:
        """The whole limit in words: ``> 1.5 x ULN if baseline <= ULN``."""
        asked = self.condition
        given = f" if {asked.subject} {asked.comparison} {asked.limit}" if asked else ""
        return f"{self.comparison} {self.text}{given}"


@dataclass(frozen=True, slots=True)
class GradeCriterion:
    """What one grade of a term asks for.

    ``says`` is NCI's wording. ``limits`` are alternatives (any one is enough); empty means that a
    number cannot decide this grade (``clinical``: a symptom, an intervention, death).
    """

    grade: int
    says: str
    limits: tuple[Limit, ...]

    @property
    def clinical(self) -> bool:
        return not self.limits


@dataclass(frozen=True, slots=True)
class Term:
    """A CTCAE term that a laboratory value can grade.

    ``meddra`` is the MedDRA code NCI prints beside the term, ``soc`` its system organ class,
    ``analyte`` the canonical name of the laboratory test, ``direction`` whether high or low
    values are toxic, ``grades`` the criteria from grade 1 up. Several tests may grade one term
    (calcium total and ionized): there is then one ``Term`` of the same name for each. ``flag`` is
    what a reader must know beside every grade from this test; None: nothing.
    """

    name: str
    meddra: str
    soc: str
    analyte: str
    direction: Direction
    grades: tuple[GradeCriterion, ...]
    flag: str | None = None

    @property
    def highest_numeric_grade(self) -> int:
        """The highest grade that a number can decide (albumin: 3)."""
        return max(criterion.grade for criterion in self.grades if not criterion.clinical)

    @property
    def has_clinical_grade_above(self) -> bool:
        """Whether a clinician could grade higher than any number does; death (5) not counted."""
        return any(
            criterion.clinical and self.highest_numeric_grade < criterion.grade < 5
            for criterion in self.grades
        )

    @property
    def uses_baseline(self) -> bool:
        return self.asks_baseline or any(
            limit.reference == "baseline" for c in self.grades for limit in c.limits
        )

    @property
    def asks_baseline(self) -> bool:
        """Whether a limit holds only for some baselines (``if baseline > ULN``)."""
        conditions = [limit.condition for c in self.grades for limit in c.limits]
        return any(c and "baseline" in (c.subject, c.limit) for c in conditions)

    def says(self, grade: int) -> str | None:
        """NCI's wording of ``grade``; None for grade 0 and for a grade the term does not have."""
        for criterion in self.grades:
            if criterion.grade == grade:
                return criterion.says
        return None


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in which laboratories report an analyte.

    ``factor`` takes a number in this unit to the analyte's canonical unit, exactly.
    ``kind`` groups units that convert without a molar mass: ``mass``, ``molar``, ``count``,
    ``activity``, ``time``, ``flow``, ``ratio``. ``spellings`` are the other ways laboratories write
    it; an empty one means that a bare number is enough.
    """

    name: str
    factor: Fraction
    kind: str
    spellings: tuple[str, ...]

    @property
    def after_number(self) -> str:
        """As printed after a number: `` mg/dL``; empty for a quantity that has no unit."""
        return "" if self.name == PURE else f" {self.name}"


@dataclass(frozen=True, slots=True)
class Band:
    """A closed range of plausible numbers, in the analyte's canonical unit."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Analyte:
    """A laboratory test: what it is called, how it is coded, in which units it may come.

    ``canonical_unit`` is the unit of the plausible bands. ``loinc`` are the codes graded as this
    analyte, ``refused_loinc`` codes that look like it and are something else, with the reason.
    """

    name: str
    full_name: str
    aliases: tuple[str, ...]
    loinc: tuple[str, ...]
    refused_loinc: Mapping[str, str]
    canonical_unit: str
    units: tuple[Unit, ...]
    never_units: tuple[str, ...]
    plausible_value: Band
    plausible_lln: Band
    plausible_uln: Band

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it may be called in words."""
        return (self.name, self.full_name, *self.aliases)

    def unit(self, name: str) -> Unit:
        """The unit of that exact name, which is how limits in the criteria files name it."""
        return next(unit for unit in self.units if unit.name == name)


@dataclass(frozen=True, slots=True)
class Edition:
    """One release of CTCAE with every term that a number can grade.

    ``also`` are other names callers may use (4.0 means 4.03), ``label`` is how reports name it;
    ``sha256`` identifies the criteria and analyte files together; ``chosen`` are the readings other
    than the default that its ``interpretations`` were given.
    """

    name: str
    also: tuple[str, ...]
    label: str
    released: str
    source: str
    sha256: str
    terms: tuple[Term, ...]
    interpretations: tuple["Interpretation", ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)

    def terms_of(self, analyte: str) -> tuple[Term, ...]:
        """The terms graded from ``analyte`` in file order (WBC has two); empty if it has none."""
        return tuple(term for term in self.terms if term.analyte == analyte)


@dataclass(frozen=True, slots=True)
class Criteria:
    """All that the criteria files hold: editions by name, analytes by canonical name."""

    editions: Mapping[str, Edition]
    analytes: Mapping[str, Analyte]

    def edition(self, name: str) -> Edition:
        """The edition of that name, or of one of its other names.

        Raises:
            CriteriaError: naming the editions there are.
        """
        for edition in self.editions.values():
            if name in (edition.name, *edition.also):
                return edition
        raise CriteriaError(f"the editions are {', '.join(self.editions)}")
