"""Strategies for rows as laboratories write them, many of them at a limit of a term."""

from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from tests.grading.typical import TYPICAL
from toxgrade.criteria.model import Analyte, Unit
from toxgrade.criteria.reader import load
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.result import Course
from toxgrade.grading.study_ranges import RangeTable

CRITERIA = load()
PATIENTS = ("P1", "P2")
START, END = date(2012, 1, 31), date(2012, 2, 29)

_TERMS = [term for edition in CRITERIA.editions.values() for term in edition.terms]
_MULTIPLES = sorted(
    {
        Fraction(limit.multiple) for term in _TERMS
        for criterion in term.grades for limit in criterion.limits if limit.multiple
    }
)  # fmt: skip
_ABSOLUTES = {
    analyte: [
        Fraction(limit.amount) * CRITERIA.analytes[analyte].unit(limit.unit).factor
        for term in _TERMS if term.analyte == analyte
        for criterion in term.grades for limit in criterion.limits if limit.unit
    ] or [Fraction(1)]
    for analyte in CRITERIA.analytes
}  # fmt: skip
_days = st.integers(-40, 140) | st.sampled_from([-400, -29, -28, -1, 0, 1, 29, 30, 119, 120, 121])
_STARTS = (-400, -29, -1, 0, 0, 1, 29, 30, 119, 9000)
ODD_VALUES = ["", " ", "abc", "-1", "NaN", "inf", "1e400", "٣", "1_000", "true", "+5", "1,5", "0x1",
              ".5", "5.", "1e1", "0", "0.0000001", "123456789012345678", "12.3456789", "<", "<=",
              "> 5", "<-1", "1.80", " 1.8 ", "4e-7", "1.2.3", "−5", "５"]  # fmt: skip
SPECIMENS = ["", "BLOOD", "Serum or plasma", "venous blood", "BLDV", "arterial blood", "URINE"]
INDICATORS = ["", "N", "NORMAL", "H", "HH*", "HIGH", "L", "LOW", "A", "ABNORMAL"]
ODD_DATES = [
    *[None, "", "2012", "2012-01", "2012-02", "2012-02-30", "2012-1-5", "2012-01-31T08:00"],
    *[
        "1992-01-31",
        "1992-01",
        "2032-02-29",
        "2032-03-01",
        "2032",
        "2202-05-04T08:00",
        "1992-01-30",
    ],
    *["2012-01-31T09:30:15", "2012-01-31 07:00", "2012-01-30T23:59+05:00", "yesterday"],
]


def decimal_text(number: Fraction, places: int) -> str:
    """Return ``number`` truncated to so many decimals, as a laboratory would print it."""
    scaled = number.numerator * 10**places // number.denominator
    return f"{Decimal(scaled).scaleb(-places):f}"


@st.composite
def limits(draw: st.DrawFn, analyte: Analyte, unit: Unit) -> tuple[str | None, str | None]:
    lln, uln = TYPICAL[analyte.name]
    places = draw(st.integers(0, 3))
    wobble = draw(st.sampled_from([Fraction(1), Fraction(9, 10), Fraction(7, 10), Fraction(3, 2)]))
    low = decimal_text(Fraction(lln) * wobble / unit.factor, places)
    high = decimal_text(Fraction(uln) * wobble / unit.factor, places)
    return draw(
        st.sampled_from(
            [
                *[(low, high)] * 3,
                *[(low, None), (None, high), (None, None), ("0", "0"), (high, low)],
                *[(low, low), ("0", high), ("abc", high), (low, "9e9")],
            ]
        )
    )


@st.composite
def exports(draw: st.DrawFn) -> list[dict[str, str | None]]:
    """Return rows of two patients with few analytes and days, so that many have baselines."""
    every = list(CRITERIA.analytes.values())
    analytes = draw(st.lists(st.sampled_from(every), min_size=1, max_size=2, unique_by=id))
    days = draw(st.lists(_days, min_size=1, max_size=4))
    one = st.sampled_from(PATIENTS).flatmap(lambda patient: rows(patient, analytes, days))
    return draw(st.lists(one, min_size=1, max_size=12))


@st.composite
def courses(draw: st.DrawFn) -> list[Course]:
    """Return up to three courses; one alone may have no start; some go on, some overlap."""
    starts = draw(st.lists(st.sampled_from(_STARTS), max_size=3, unique=True))
    found = []
    for start in sorted(starts):
        end = draw(st.sampled_from([None, 0, 29, 29, 200]))
        at = draw(st.sampled_from([None, None, time(8), time(9, 30)]))
        found.append(
            Course(
                START + timedelta(days=start),
                None if end is None else START + timedelta(days=start + end),
                ongoing=end is None and draw(st.booleans()),
                start_time=at,
            )
        )
    return found or draw(st.sampled_from([[], [Course(None, END)]]))


@st.composite
def ranges(draw: st.DrawFn) -> RangeTable:
    """Return a study's ranges of some analytes, by laboratory, sex, age and day."""
    found = []
    for analyte in draw(st.permutations(list(CRITERIA.analytes.values())))[:20]:
        unit = draw(st.sampled_from(analyte.units))
        lln, uln = (
            Decimal(decimal_text(Fraction(n) / unit.factor, 3)) for n in TYPICAL[analyte.name]
        )
        for _ in range(draw(st.integers(1, 3))):
            only = draw(st.sampled_from([(lln, uln), (None, uln), (lln, None)]))
            ages = draw(st.sampled_from([(None, None), (18, None), (None, 60), (40, 50)]))
            found.append(
                StudyRange(
                    analyte.name, *only, unit.name, draw(st.sampled_from([None, "a ", "B"])),
                    draw(st.sampled_from([None, "female", "male"])), *ages,
                    draw(st.sampled_from([None, START, END])),
                )
            )  # fmt: skip
    return RangeTable(found)


@st.composite
def rows(
    draw: st.DrawFn,
    patient: str = "P1",
    analytes: Sequence[Analyte] = (),
    days: Sequence[int] = (),
) -> dict[str, str | None]:
    """Return a row; by default of any analyte and day. About half of all values are on a limit."""
    analyte = draw(st.sampled_from(analytes or list(CRITERIA.analytes.values())))
    unit = draw(st.sampled_from(analyte.units))
    limit_unit = draw(st.sampled_from([unit, unit, unit, *analyte.units]))
    lln, uln = draw(limits(analyte, limit_unit))
    value = draw(values(analyte, unit, limit_unit, lln, uln))
    day = START + timedelta(days=draw(st.sampled_from(days) if days else _days))
    collected = draw(
        st.sampled_from([day.isoformat(), f"{day}T08:00"]) | st.sampled_from(ODD_DATES)
    )
    return {
        "patient": patient,
        "collected": collected,
        "analyte": draw(st.sampled_from([analyte.name] * 12 + ["lead", ""])),
        "value": value,
        "unit": draw(st.sampled_from([unit.name] * 12 + ["furlong", "", None])),
        "lln": lln,
        "uln": uln,
        "limit_unit": draw(
            st.sampled_from([limit_unit.name] * 12 + ["furlong"])
            if limit_unit != unit
            else st.sampled_from([None, None, unit.name])
        ),
        "baseline": draw(st.sampled_from([None] * 8 + ["Y", "y", ""])),
        "status": draw(st.sampled_from([None, "final", "corrected"] * 4 + ["cancelled", "odd"])),
        "specimen": draw(st.sampled_from([None] * 10 + SPECIMENS)),
        "indicator": draw(st.sampled_from([None] * 8 + INDICATORS)),
    }


@st.composite
def values(
    draw: st.DrawFn,
    analyte: Analyte,
    unit: Unit,
    limit_unit: Unit,
    lln: str | None,
    uln: str | None,
) -> str | None:
    references = [text for text in (lln, uln) if text and text[0].isdigit() and "e" not in text]
    on_limit = [absolute / unit.factor for absolute in _ABSOLUTES[analyte.name]]
    for text in references:
        multiple = draw(st.sampled_from(_MULTIPLES))
        on_limit += [Fraction(text) * limit_unit.factor / unit.factor * multiple] * 4
    number = draw(st.sampled_from(on_limit))
    places = draw(st.integers(0, 7))
    step = draw(st.sampled_from([0, 0, -1, 1])) * Fraction(1, 10**places)
    text = decimal_text(max(number + step, Fraction(0)), places)
    noise = draw(st.sampled_from([0] * 6 + [-1, 1])) * Fraction(1, 10**17)
    if noise and number:
        text = decimal_text(max(Fraction(text) + noise, Fraction(0)), 17)
    comparator = draw(st.sampled_from([""] * 6 + ["<", "<=", ">", ">=", "< "]))
    return draw(st.sampled_from([comparator + text] * 15 + [None, *draw(odd_values)]))


odd_values = st.lists(st.sampled_from(ODD_VALUES), min_size=1, max_size=1)


@st.composite
def precise(draw: st.DrawFn, near: Sequence[Fraction]) -> str:
    """Return a number of up to 17 decimals on one of ``near`` or one digit from it, as texts come
    from laboratories, conversions of units and columns of doubles.
    """
    places = draw(st.integers(0, 17))
    step = draw(st.sampled_from([0, 0, -1, 1])) * Fraction(1, 10**places)
    number = max(draw(st.sampled_from(near)) + step, Fraction(0))
    text = decimal_text(number, places)
    other = draw(st.sampled_from([text] * 4 + [f"{Decimal(text):e}", repr(float(text))]))
    return draw(st.sampled_from([""] * 8 + ["<", "<=", ">", ">="])) + other


@st.composite
def precise_rows(draw: st.DrawFn) -> list[dict[str, str | None]]:
    """Return a baseline or two and some results of one analyte; all near limits, and near each
    other, in up to 17 decimals.
    """
    analyte = draw(st.sampled_from(list(CRITERIA.analytes.values())))
    rows: list[dict[str, str | None]] = []
    before: list[Fraction] = []  # The baselines, in the canonical unit.
    for day in ["2012-01-30"] * draw(st.integers(1, 2)) + ["2012-02-10"] * 3:
        unit, limit_unit = (draw(st.sampled_from(analyte.units)) for _ in range(2))
        typical = [Fraction(number) / limit_unit.factor for number in TYPICAL[analyte.name]]
        lln, uln = (draw(precise([n, n / 3 * 2])).lstrip("<>=") for n in typical)
        references = [Fraction(text) * limit_unit.factor for text in (lln, uln)] + before
        near = [*_ABSOLUTES[analyte.name], *(n * times for n in references for times in _MULTIPLES)]
        value = draw(precise([number / unit.factor for number in [*near, *references * 4]]))
        if day < "2012-02":
            before.append(Fraction(value.lstrip("<>=")) * unit.factor)
        rows.append(
            dict.fromkeys(("baseline", "status", "specimen"))
            | {"indicator": draw(st.sampled_from([None] * 6 + ["N", "H", "L"]))}
            | {"patient": "P1", "collected": day, "analyte": analyte.name, "value": value}
            | {"unit": unit.name, "limit_unit": limit_unit.name}
            | {"lln": draw(st.sampled_from([lln] * 4 + [None]))}
            | {"uln": draw(st.sampled_from([uln] * 4 + [None]))}
        )
    return rows
