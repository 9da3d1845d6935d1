"""The tests, units, specimens, ranges, flags, dates and signs that an export has, with counts."""

import re
from collections.abc import Mapping, Sequence

import polars as pl

from toxgrade.exports.inspect.column_look import ColumnLook
from toxgrade.exports.inspect.file_guesses import FileGuesses
from toxgrade.exports.inspect.inspection import FoundText
from toxgrade.exports.inspect.known_names import KnownNames
from toxgrade.exports.inspect.proposal import Guess
from toxgrade.grading.specimens import is_unknown_specimen, specimen_kind

_LETTERS = re.compile(r"[^\W\d_]+")


def found_texts(
    guesses: FileGuesses, looks: Sequence[ColumnLook], frame: pl.DataFrame, names: KnownNames
) -> dict[str, list[FoundText]]:
    """Return by field of ``Inspection`` the texts that were found; proposes units on the way."""
    of = {look.name: look for look in looks}

    def texts(ours: str) -> Mapping[str, int]:
        look = of.get(guesses.columns.get(ours, ""))
        return look.texts if look else {}

    tests = [_test(text, n, names) for text, n in texts("analyte").items()]
    for one in guesses.proposal.wide:
        look = of[one.entry["column"]]
        tests.append(FoundText(look.name, look.filled, one.entry["analyte"], one.evidence))
    dates = of.get(guesses.columns.get("collected", ""))
    return {
        "tests": tests,
        "units": _units(guesses, frame, names),
        "specimens": [_specimen(text, n) for text, n in texts("specimen").items()],
        "ranges": _looks(texts("range")),
        "flags": [FoundText(text, n) for text, n in texts("indicator").items()],
        "dates": _dates(dates) if dates else [],
        "comparators": [FoundText(text, n) for text, n in texts("comparator").items()],
    }


def _test(text: str, cells: int, names: KnownNames) -> FoundText:
    if (known := names.analyte(text)) is not None:
        hint = names.hint(text) if not names.is_graded(known) else ""
        return FoundText(text, cells, known, hint)
    if guess := names.guess(text):
        return FoundText(text, cells, guess[0], f"guess: {guess[1]}")
    return FoundText(text, cells, None, names.hint(text))


def _units(guesses: FileGuesses, frame: pl.DataFrame, names: KnownNames) -> list[FoundText]:
    """Return the units with what is wrong with them, if anything is, for their tests."""
    unit, test = guesses.columns.get("unit"), guesses.columns.get("analyte")
    if unit is None or test is None:
        entries = [one.entry for one in guesses.proposal.wide if "unit" in one.entry]
        return [FoundText(one["unit"], 0, one["analyte"]) for one in entries]
    pairs = frame.select(unit=pl.col(unit).str.strip_chars(), test=pl.col(test).str.strip_chars())
    counted = pairs.drop_nulls().group_by("unit", "test").len().sort("len", descending=True)
    by_unit: dict[str, dict[str, int]] = {}
    for text, name, n in counted.iter_rows():
        if text and (analyte := names.means(name)) is not None:
            of_unit = by_unit.setdefault(text, {})
            of_unit[analyte] = of_unit.get(analyte, 0) + n
    found = []
    for text, analytes in by_unit.items():
        wrong = [name for name in analytes if not names.fits(text, name)]
        cells = sum(analytes.values())
        if not wrong:
            found.append(FoundText(text, cells, text))
        elif guess := names.guess_unit(text, wrong):
            guesses.proposal.units.append(Guess(text, *guess))
            found.append(FoundText(text, cells, guess[0], f"guess: {guess[1]}"))
        else:
            notes = "; ".join(f"of {name}: {names.unit_hint(text, name)}" for name in wrong[:3])
            found.append(FoundText(text, cells, None, notes))
    return found


def _specimen(text: str, cells: int) -> FoundText:
    if is_unknown_specimen(text):
        return FoundText(text, cells, None, "not known: name it in [specimens]")
    return FoundText(text, cells, specimen_kind(text))


def _looks(texts: Mapping[str, int]) -> list[FoundText]:
    """Return texts by their look: digits as 9."""
    looks: dict[str, int] = {}
    for text, n in texts.items():
        look = re.sub(r"\d+", "9", text)
        looks[look] = looks.get(look, 0) + n
    return [FoundText(look, n) for look, n in sorted(looks.items(), key=lambda one: -one[1])]


def _dates(look: ColumnLook) -> list[FoundText]:
    found = [FoundText(form, n) for form, n in look.dates.forms.items()]
    found += [FoundText("ISO 8601", look.dates.iso)] * bool(look.dates.iso)
    if look.dates.unordered:
        found.append(FoundText("9/9/9999", look.dates.unordered, None, "day or month first?"))
    return found
