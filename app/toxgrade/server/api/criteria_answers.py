"""The criteria and the analytes as callers see them: models of the answers, and what fills them."""

from collections.abc import Mapping, Sequence

from toxgrade.cohort.described import answer, described
from toxgrade.criteria.describe import Difference
from toxgrade.criteria.interpretations import Interpretation
from toxgrade.criteria.model import Analyte, Band, Direction, Edition, GradeCriterion, Limit, Term
from toxgrade.grading.digits import to_plain_text

_TERM = "Blood bilirubin increased"
_SAYS = ">1.5 - 3.0 x ULN"
_BAND = "The lowest and the highest plausible number, in the canonical unit"


@answer
class LimitAnswer:
    """A limit of a grade, as it is used; any one of a grade's limits is enough."""

    when: str = described("What a value is compared with.", "> 1.5 x ULN")
    if_baseline: str | None = described("Only if the baseline is this; null: always.", None)
    if_value: str | None = described("Only if the value is this; null: always.", None)


@answer
class CriterionAnswer:
    """The criterion of one grade."""

    grade: int = described("1 to 5.", 2)
    says: str = described("NCI's wording.", _SAYS)
    clinical: bool = described("No number decides it: a clinician does.", False)
    limits: Sequence[LimitAnswer] = described("The limits used; empty where it is clinical.")


@answer
class TermAnswer:
    """A term that a laboratory value can grade."""

    term: str = described("CTCAE's term.", _TERM)
    meddra: str = described("Its MedDRA code.", "10005364")
    soc: str = described("Its system organ class.", "Investigations")
    analyte: str = described("The analyte that it is graded from.", "bilirubin")
    direction: Direction = described("Which values are toxic.", "high")
    grades: Sequence[CriterionAnswer] = described("From grade 1 up.")


@answer
class ChoiceAnswer:
    """One way to read CTCAE's text."""

    reading: str = described("The name of the choice.", "grade-2")
    says: str = described("What it means.", "A value in both grades is grade 2.")


@answer
class InterpretationAnswer:
    """A question that CTCAE's text leaves open."""

    interpretation: str = described("Its name.", "hypokalemia")
    terms: Sequence[str] = described("That it concerns; empty: it may be any.", ["Hypokalemia"])
    question: str = described("What the text leaves open.", "Grades 1 and 2 have the same limit.")
    default: str = described("The choice where none is made.", "grade-2")
    readings: Sequence[ChoiceAnswer] = described("The choices; the first is the default.")


@answer
class CriteriaAnswer:
    """The laboratory terms of an edition."""

    edition: str = described("The edition.", "4.03")
    label: str = described("Its name in reports.", "CTCAE v4.0 (release 4.03)")
    released: str = described("When it was released.", "2010-06-14")
    source: str = described("The document.", "NIH Publication No. 09-5410")
    criteria_sha256: str = described("Of its criteria and of the analytes.", "ab" * 32)
    editions: Sequence[str] = described("All that there are.", ["4.03", "5.0", "6.0"])
    terms: Sequence[TermAnswer] = described("In the order of the document.")
    interpretations: Sequence[InterpretationAnswer] = described("Where the text leaves a choice.")


@answer
class WordingAnswer:
    """A criterion in one of two editions."""

    says: str = described("NCI's wording.", _SAYS)
    limits: Sequence[str] = described("The limits used.", ["> 1.5 x ULN"])


@answer
class GradeDifference:
    """A grade whose limits differ."""

    grade: int = described("1 to 5.", 2)
    before: WordingAnswer | None = described("In the first; null: no such grade.", name="from")
    after: WordingAnswer | None = described("In the second; null: no such grade.", name="to")


@answer
class TermDifference:
    """A test and direction that two editions do not grade alike."""

    analyte: str = described("The analyte.", "bilirubin")
    direction: Direction = described("Which values are toxic.", "high")
    from_term: str | None = described("The first's term; null: it has none.", _TERM)
    to_term: str | None = described("The second's term; null: it has none.", _TERM)
    grades: Sequence[GradeDifference] = described("Those whose limits differ.")


@answer
class EditionsCompared:
    """What differs between two editions."""

    before: str = described("The first edition.", "4.03", name="from")
    after: str = described("The second edition.", "6.0", name="to")
    differences: Sequence[TermDifference] = described("In the order of the first, then new ones.")


@answer
class UnitAnswer:
    """A unit in which an analyte may come."""

    unit: str = described("Its name; `1`: the quantity has no dimension.", "mg/dL")
    factor: str = described("To the canonical unit, as an exact fraction.", "500000/29233")
    spellings: Sequence[str] = described("How else it may be written.", ["mg%", "mg/100mL"])


@answer
class PlausibleAnswer:
    """The numbers that are accepted: others are a slip of the unit."""

    value: Sequence[str] = described(f"{_BAND}.", ["1", "1500"])
    lln: Sequence[str] = described(f"{_BAND} of the lower limit.", ["0", "10"])
    uln: Sequence[str] = described(f"{_BAND} of the upper limit.", ["10", "40"])
    value_in: Mapping[str, Sequence[str]] = described("Of values sent in a unit, by unit.", {})


@answer
class AnalyteAnswer:
    """A laboratory test: how it may be named and in which units it may come."""

    analyte: str = described("Our name.", "bilirubin")
    full_name: str = described("In full.", "total bilirubin")
    aliases: Sequence[str] = described("Other names; case does not matter.", ["TBIL"])
    loinc: Sequence[str] = described("Codes that are this test.", ["1975-2", "14631-6"])
    refused_loinc: Mapping[str, str] = described(
        "Codes that look like it, and what they are.", {"1968-7": "direct bilirubin"}
    )
    canonical_unit: str = described("The unit of the plausible bands.", "umol/L")
    units: Sequence[UnitAnswer] = described("In which values and limits may come.")
    plausible: PlausibleAnswer = described("Which numbers are accepted.")


@answer
class AnalyteList:
    """All analytes."""

    analytes: Sequence[AnalyteAnswer] = described("In the order of the criteria's file.")


def criteria_answer(edition: Edition, editions: Sequence[str]) -> CriteriaAnswer:
    """Return an edition as it is answered, with the names of all editions."""
    return CriteriaAnswer(
        edition=edition.name,
        label=edition.label,
        released=edition.released,
        source=edition.source,
        criteria_sha256=edition.sha256,
        editions=editions,
        terms=[_term(term) for term in edition.terms],
        interpretations=[_interpretation(one) for one in edition.interpretations],
    )


def _term(term: Term) -> TermAnswer:
    grades = [
        CriterionAnswer(one.grade, one.says, one.clinical, [_limit(limit) for limit in one.limits])
        for one in term.grades
    ]
    return TermAnswer(term.name, term.meddra, term.soc, term.analyte, term.direction, grades)


def _limit(limit: Limit) -> LimitAnswer:
    condition = limit.condition
    text = f"{condition.comparison} {condition.limit}" if condition else None
    return LimitAnswer(
        when=f"{limit.comparison} {limit.text}",
        if_baseline=text if condition and condition.subject == "baseline" else None,
        if_value=text if condition and condition.subject == "value" else None,
    )


def _interpretation(one: Interpretation) -> InterpretationAnswer:
    choices = [ChoiceAnswer(choice.name, choice.says) for choice in one.choices]
    return InterpretationAnswer(one.name, one.terms, one.question, one.choices[0].name, choices)


def difference_answer(difference: Difference) -> TermDifference:
    """Return a difference of two editions as it is answered."""
    return TermDifference(
        analyte=difference.analyte,
        direction=difference.direction,
        from_term=difference.before.name if difference.before else None,
        to_term=difference.after.name if difference.after else None,
        grades=[
            GradeDifference(grade, _wording(old), _wording(new))
            for grade, old, new in difference.grades
        ],
    )


def _wording(criterion: GradeCriterion | None) -> WordingAnswer | None:
    if criterion is None:
        return None
    return WordingAnswer(criterion.says, [limit.when for limit in criterion.limits])


def analyte_answer(analyte: Analyte) -> AnalyteAnswer:
    """Return an analyte as it is answered."""
    return AnalyteAnswer(
        analyte=analyte.name,
        full_name=analyte.full_name,
        aliases=analyte.aliases,
        loinc=analyte.loinc,
        refused_loinc=analyte.refused_loinc,
        canonical_unit=analyte.canonical_unit,
        units=[UnitAnswer(u.name, str(u.factor), u.spellings) for u in analyte.units],
        plausible=PlausibleAnswer(
            value=_band(analyte.plausible_value),
            lln=_band(analyte.plausible_lln),
            uln=_band(analyte.plausible_uln),
            value_in={unit: _band(band) for unit, band in analyte.plausible_in.items()},
        ),
    )


def _band(band: Band) -> tuple[str, str]:
    return to_plain_text(band.low), to_plain_text(band.high)
