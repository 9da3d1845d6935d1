"""The criteria as plain data: editions of CTCAE, their terms and limits, and the analytes.

All classes are frozen; ``reader.py`` builds them from the TOML files in its directory. Numbers are
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
"""The name of the unit of dimensionless quantities such as INR and pH."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a limit, such as ``if baseline > ULN`` or ``if value < LLN``.

    A baseline is compared with its own reference range, never with that of a later result.
    """

    subject: Literal["baseline", "value"]
    comparison: Comparison
    limit: Reference

    @property
    def wants_beyond(self) -> bool:
        """Return whether it is met beyond the limit (``> ULN``, ``< LLN``), not within it."""
        return self.comparison in (">", "<")


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold of a grade: ``comparison`` ``multiple`` x ``reference`` + ``amount`` ``unit``.

    ``reference`` None means an absolute limit (``< 30 g/L``; multiple is 0). ``unit`` None means
    that ``amount`` is 0 and the limit has no unit of its own (``> 1.5 x ULN``); ``PURE`` means that
    the quantity is dimensionless (pH ``< 7.3``).
    A fall of 25 % from baseline is stored as 0.75 x baseline, which is the same number.
    """

    comparison: Comparison
    multiple: Decimal
    reference: Reference | None
    amount: Decimal
    unit: str | None
    condition: Condition | None
    text: str
    """The limit without comparison and condition: ``1.5 x ULN``, ``30 g/L``."""

    @property
    def when(self) -> str:
        """Return the whole limit as text: ``> 1.5 x ULN if baseline <= ULN``."""
        found = self.condition
        condition = f" if {found.subject} {found.comparison} {found.limit}" if found else ""
        return f"{self.comparison} {self.text}{condition}"


@dataclass(frozen=True, slots=True)
class GradeCriterion:
    """The criterion of one grade of a term.

    ``says`` is NCI's wording. ``limits`` are alternatives (any one is enough); they are empty where
    no number decides this grade (``clinical``: a symptom, an intervention, death).
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
    the flag that every grade from this test carries; None: no flag. ``one_uln``: a baseline never
    measured is above its ULN only if above the value's own.
    """

    name: str
    meddra: str
    soc: str
    analyte: str
    direction: Direction
    grades: tuple[GradeCriterion, ...]
    flag: str | None = None
    one_uln: bool = False

    @property
    def highest_numeric_grade(self) -> int:
        """Return the highest grade that a number can decide (albumin: 3)."""
        return max(criterion.grade for criterion in self.grades if not criterion.clinical)

    @property
    def has_clinical_grade_above(self) -> bool:
        """Return whether a clinician can give a higher grade than any number, except death (5)."""
        return any(
            criterion.clinical and self.highest_numeric_grade < criterion.grade < 5
            for criterion in self.grades
        )

    @property
    def uses_baseline(self) -> bool:
        """Return whether a limit is relative to the baseline, or has a condition about it."""
        return self.has_baseline_condition or any(
            limit.reference == "baseline" for c in self.grades for limit in c.limits
        )

    @property
    def has_baseline_condition(self) -> bool:
        """Return whether a limit has a condition about the baseline (``if baseline > ULN``)."""
        conditions = [limit.condition for c in self.grades for limit in c.limits]
        return any(c and "baseline" in (c.subject, c.limit) for c in conditions)

    def says(self, grade: int) -> str | None:
        """Return NCI's wording of ``grade``; None for 0 and for a grade that the term lacks."""
        return next((c.says for c in self.grades if c.grade == grade), None)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in which laboratories report an analyte.

    ``factor`` takes a number in this unit to the analyte's canonical unit, exactly.
    ``kind`` groups units that convert without a molar mass: ``mass``, ``molar``, ``count``,
    ``activity``, ``time``, ``flow``, ``ratio``. ``spellings`` are the other ways in which
    laboratories write it; an empty one means that a number needs no unit.
    """

    name: str
    factor: Fraction
    kind: str
    spellings: tuple[str, ...]

    @property
    def after_number(self) -> str:
        """Return the unit as printed after a number, `` mg/dL``; empty if it is ``PURE``."""
        return "" if self.name == PURE else f" {self.name}"


@dataclass(frozen=True, slots=True)
class Band:
    """A closed range of plausible numbers in the analyte's canonical unit."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Analyte:
    """A laboratory test: its names, LOINC codes, accepted units and plausible bands.

    ``canonical_unit`` is the unit of the plausible bands. ``loinc`` are the codes graded as this
    analyte. ``refused_loinc`` are similar codes that are not, each with what it means instead.
    ``never_units`` are spellings that are not accepted in any capitals (``g/L`` is no count).
    ``venous`` are those of its names and codes that mean a venous sample, where only arterial and
    capillary blood give its grades; empty where veins give them as well. ``plausible_in`` has bands
    of values by the unit in which they are sent, where that makes a slip of unit impossible.
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
    venous: tuple[str, ...] = ()
    plausible_in: Mapping[str, Band] = field(default_factory=dict)

    def value_band(self, unit: Unit) -> Band:
        """Return the plausible band of a value that is sent in ``unit``, in the canonical unit."""
        return self.plausible_in.get(unit.name, self.plausible_value)

    @property
    def names(self) -> tuple[str, ...]:
        """Return its names: canonical name, full name and aliases."""
        return (self.name, self.full_name, *self.aliases)

    def unit(self, name: str) -> Unit:
        """Return the unit of that exact name, by which the criteria files name it."""
        return next(unit for unit in self.units if unit.name == name)


@dataclass(frozen=True, slots=True)
class Edition:
    """One release of CTCAE with every term that a number can grade.

    ``also`` are other names that callers may use (4.0 means 4.03), ``label`` its name in reports.
    ``sha256`` identifies its criteria file and the analyte file together. ``chosen`` maps an
    interpretation to the study's choice where that is not the default.
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
        """Return the terms graded from ``analyte`` in file order (WBC has two); empty if none."""
        return tuple(term for term in self.terms if term.analyte == analyte)


@dataclass(frozen=True, slots=True)
class Criteria:
    """The content of all criteria files: editions by name, analytes by canonical name."""

    editions: Mapping[str, Edition]
    analytes: Mapping[str, Analyte]

    def edition(self, name: str) -> Edition:
        """Return the edition of that name, or of one of its other names.

        Raises:
            CriteriaError: there is none; the message names the editions.
        """
        for edition in self.editions.values():
            if name in (edition.name, *edition.also):
                return edition
        raise CriteriaError(f"the editions are {', '.join(self.editions)}")
