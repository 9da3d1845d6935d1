"""A date means the calendar day as written; columns are parsed as their texts one by one."""

from calendar import monthrange
from datetime import date, time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading.strategies import ODD_VALUES
from toxgrade.errors import ParseError
from toxgrade.grading.columns.parse import COMPARATORS, read_column, read_dates, read_values
from toxgrade.grading.digits import without_noise
from toxgrade.grading.parse import ACCEPTED_DATE, read_collected, read_limit, read_value

Days = tuple[date, date, time | None]


def day(year: int, month: int, of_month: int, at: time | None = None) -> Days:
    return date(year, month, of_month), date(year, month, of_month), at


READABLE: list[tuple[str, Days]] = [
    ("2011-04-23", day(2011, 4, 23)),
    (" \t2011-04-23\r\n", day(2011, 4, 23)),
    ("2012-02-29", day(2012, 2, 29)),
    ("2000-02-29", day(2000, 2, 29)),
    ("1900-01-01", day(1900, 1, 1)),
    ("2202-02-28", day(2202, 2, 28)),
    ("2299-12-31", day(2299, 12, 31)),
    ("2011-04", (date(2011, 4, 1), date(2011, 4, 30), None)),
    ("2012-02", (date(2012, 2, 1), date(2012, 2, 29), None)),
    ("2100-02", (date(2100, 2, 1), date(2100, 2, 28), None)),
    ("2011", (date(2011, 1, 1), date(2011, 12, 31), None)),
    ("2011-04-23T14", day(2011, 4, 23)),
    ("2011-04-23T14Z", day(2011, 4, 23)),
    ("2011-04-23T14+02:00", day(2011, 4, 23)),
    ("2011-04-23T14:45", day(2011, 4, 23, time(14, 45))),
    ("2011-04-23 14:45", day(2011, 4, 23, time(14, 45))),
    ("2011-04-23T00:00", day(2011, 4, 23, time(0, 0))),
    ("2011-04-23T23:59:59", day(2011, 4, 23, time(23, 59, 59))),
    ("2011-04-23T14:45:10.5", day(2011, 4, 23, time(14, 45, 10, 500_000))),
    ("2011-04-23T14:45:10.000001Z", day(2011, 4, 23, time(14, 45, 10, 1))),
    ("2011-04-23T14:45:10.1234569+02:00", day(2011, 4, 23, time(14, 45, 10, 123_456))),
    # Just before or after midnight in another zone: the day as written stands.
    ("2011-04-23T23:30-05:00", day(2011, 4, 23, time(23, 30))),
    ("2011-04-23T00:30+0800", day(2011, 4, 23, time(0, 30))),
    ("2011-04-23T00:30+08", day(2011, 4, 23, time(0, 30))),
    ("2011-04-23T00:30:00Z", day(2011, 4, 23, time(0, 30))),
]

UNREADABLE = [
    "", " ", "yesterday", "NaN", "true", "2011-02-30", "2011-02-29", "2100-02-29", "2011-00-10",
    "2011-13-01", "2011-04-00", "2011-04-31", "2011-02-30T10:00", "2011-00", "2011-13", "0000",
    "1899-12-31", "2300-01-01", "1899", "2300-01", "2011-4-23", "2011-04-3", "11-04-23", "20110423",
    "+2011-04-23", "-2011-04-23", "02011-04-23", "2011/04/23", "23.04.2011", "2011-04-23-",
    "2011-04-23x", "x2011-04-23", "2011-04-23 2011-04-24", "2011-04-23\n2011-04-24", "2011 -04-23",
    "2011-04-23T", "2011-04-23  14:45", "2011-04-23t14:45", "2011-04-23T14:45z",
    "2011-04-23T24:00", "2011-04-23T14:60", "2011-04-23T14:45:60", "2011-04-23T1:45",
    "2011-04-23T14:5", "2011-04-23T14:45:", "2011-04-23T14:45:10.", "2011-04-23T14:45:10,5",
    "2011-04-23T14.5", "2011-04-23T1445", "2011-04-23T14:45+2", "2011-04-23T14:45+02:",
    "2011-04-23T14:45+24:00", "2011-04-23T14:45+02:60", "2011-04-23T14:45−02:00", "2011-04Z",
    "2011-04-23Z", "2011-04-23T-1:45", "2011-04-23T+1:+2", "٢٠١١-٠٤-٢٣", "2011-04-2٣",
    "２０１１-04-23", "2011‑04‑23", "2011-04-23\u00a0", "\ufeff2011-04-23", "2011-04-23\x00",
    "2011_04_23", "2 11-04-23", "2011-W16-6", "2011-113",
]  # fmt: skip


@pytest.mark.parametrize(("text", "days"), READABLE)
def test_readable(text: str, days: Days) -> None:
    collected = read_collected(text)
    assert (collected.first, collected.last, collected.time) == days
    assert collected.text == text.strip()


@pytest.mark.parametrize("text", UNREADABLE)
def test_unreadable(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        read_collected(text)
    assert caught.value.code == "unreadable-date"
    assert caught.value.message == f"expected {ACCEPTED_DATE}"  # nothing of the text itself


def test_lone_surrogate_is_unreadable() -> None:
    with pytest.raises(ParseError):
        read_collected("2011-04-23\ud800")


def test_every_day_and_every_day_that_is_none() -> None:
    months = [(year, month) for year in range(1900, 2300) for month in range(1, 13)]
    texts = [f"{year}-{month:02}-{n:02}" for year, month in months for n in range(32)]
    real = [
        date(year, month, n) if 1 <= n <= monthrange(year, month)[1] else None
        for year, month in months
        for n in range(32)
    ]
    first, last, at, unreadable = read_dates(pl.Series(texts)).get_columns()
    assert first.to_list() == real
    assert last.to_list() == real
    assert at.null_count() == len(texts)
    assert unreadable.to_list() == [found is None for found in real]


def one_by_one(text: str | None) -> tuple[date | None, date | None, time | None, bool]:
    """Return the expected row of a text: null and blank are absent, the rest as parsed alone."""
    if text is None or not text.strip(" \t\r\n"):
        return None, None, None, False
    try:
        collected = read_collected(text)
    except ParseError:
        return None, None, None, True
    return collected.first, collected.last, collected.time, False


def by_column(texts: list[str | None]) -> list[tuple[object, ...]]:
    columns = read_dates(pl.Series(texts, dtype=pl.String)).get_columns()
    return pl.DataFrame(columns).rows()


NASTY = "0123456789-+:. TZtz\t\n/,x٣０−\u00a0\x00\ufeff\U0001f600"


@st.composite
def nearly_dates(draw: st.DrawFn) -> str:
    """Return a truncated date-time with up to two characters changed, removed or inserted."""
    number = st.integers(0, 99).map("{:02}".format)
    year = draw(st.integers(1890, 2210).map(str) | st.sampled_from(["0000", "0011", "9999"]))
    parts = [year, "-", draw(number), "-", draw(number), draw(st.sampled_from("T "))]
    for separator in ":", ":", ".":
        parts += [draw(number), separator]
    parts.append(draw(st.text("0123456789", min_size=1, max_size=12)))
    text = "".join(parts[: draw(st.integers(1, len(parts)))])
    text += draw(st.sampled_from(["", "", "Z", "+02:00", "-0330", "+14", "+25:00", "+2"]))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        dropped = draw(st.integers(0, 1))
        text = text[:at] + draw(st.text(NASTY, max_size=2)) + text[at + dropped :]
    return text


READABLE_DATES = st.builds(
    lambda day, at: day + at,
    st.dates(date(1890, 1, 1), date(2210, 1, 1)).map(date.isoformat),
    st.just("") | st.times().map(lambda at: f"T{at.isoformat()}") | st.from_regex(
        r"\A[ T]([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?)?"
        r"(Z|[+-]1[0-4](:?[0-5][0-9])?)?\Z",
        alphabet=st.characters(codec="ascii"),
    ),
)  # fmt: skip
TEXTS = st.none() | READABLE_DATES | nearly_dates() | st.text(NASTY) | st.text()


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=30))
def test_column_equals_one_by_one(texts: list[str | None]) -> None:
    assert by_column(texts) == [one_by_one(text) for text in texts]


def test_column_equals_one_by_one_on_the_tables() -> None:
    texts = [None, *(text for text, _ in READABLE), *UNREADABLE, "\x0b", "2011-04-23\x0c"]
    assert by_column(texts) == [one_by_one(text) for text in texts]


@pytest.mark.parametrize("texts", [[], [None], ["", " \r\n"]])
def test_absent_is_not_unreadable(texts: list[str | None]) -> None:
    assert by_column(texts) == [(None, None, None, False)] * len(texts)


def test_column_names_and_types() -> None:
    columns = read_dates(pl.Series(["2011-04-23T14:45", "2011", "x"])).get_columns()
    assert {column.name: column.dtype for column in columns} == {
        "first": pl.Date, "last": pl.Date, "time": pl.Time, "unreadable_date": pl.Boolean,
    }  # fmt: skip


HALF_MILLIONTHS: list[tuple[str, int | None, bool]] = [
    # text, its whole half millionths (odd: it lies between two millionths), whether it was rounded
    ("1.8", 3_600_000, False),
    ("0.000001", 2, False),
    ("0.0000001", 1, False),
    ("1.0000001", 2_000_001, False),
    ("1.00000000000001", 2_000_001, False),
    ("0.99999999999999", 1_999_999, False),
    ("999999999.99999", 1_999_999_999_999_980, False),
    ("1000000000", None, False),
    ("12.345678901234", 24_691_357, False),
    ("12.34567890123456", 24_691_357, True),
    ("0.30000000000000004", 600_000, True),  # What 0.1 + 0.2 prints.
    ("30.000000000000003552", 60_000_000, True),
    ("29.99999999999995", 60_000_000, True),
    ("29.99999999999985", 59_999_999, True),  # Half to even: 29.9999999999998.
    ("1.2e-05", 24, False),
    ("1.23456789e+01", 24_691_357, False),
    ("5E-7", 1, False),
    ("1e-15", 1, False),
]


@pytest.mark.parametrize(("text", "scaled", "noise"), HALF_MILLIONTHS)
def test_half_millionths(text: str, scaled: int | None, noise: bool) -> None:
    found = read_column(pl.Series([text]))
    assert found.scaled[0] == scaled
    assert found.noise[0] == noise
    assert found.unscaled[0] == (scaled is None)


_DECIMALS = st.builds("{:.{}f}".format, st.decimals(0, 3000, allow_nan=False), st.integers(0, 25))
_DOUBLES = st.floats(0, 1e18).map(repr) | st.floats(0, 100).map(repr)
_NUMBERS = st.one_of(
    st.sampled_from(ODD_VALUES), _DECIMALS, _DOUBLES, st.text("0123456789.eE+-"), st.text(NASTY)
)
_SIGNS = st.sampled_from(["", "", "<", ">= ", " <=\t", "<<", "< \n", "<>"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds("{}{}".format, _SIGNS, _NUMBERS), min_size=1))
def test_values_equal_one_by_one(texts: list[str]) -> None:
    found = read_values(pl.Series(texts))
    for at, text in enumerate(texts):
        scaled, comparator, unreadable, unscaled, noise, blank = found.row(at)
        assert blank == (not text.strip(" \t\r\n"))
        try:
            reported = read_value(text)
        except ParseError:
            assert scaled is None
            assert unreadable == (not blank)
            continue
        assert not unreadable
        number = without_noise(reported.number)
        millionths, denominator = (number * 10**6).as_integer_ratio()
        whole, rest = divmod(millionths, denominator)
        assert COMPARATORS[comparator] == reported.comparator
        assert noise == (number != reported.number)
        assert unscaled == (whole >= 10**15)
        assert scaled == (None if unscaled else 2 * whole + (rest > 0))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.builds("{}{}".format, _SIGNS, _NUMBERS), min_size=1))
def test_limits_equal_one_by_one(texts: list[str]) -> None:
    found = read_column(pl.Series(texts))
    for at, text in enumerate(texts):
        try:
            read_limit(text)
        except ParseError:
            assert found.unreadable[at] == bool(text.strip(" \t\r\n"))
        else:
            assert not found.unreadable[at]
