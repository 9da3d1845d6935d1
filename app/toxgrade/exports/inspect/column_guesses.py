"""Which of a file's columns is which of ours, as their names and texts show it.

A wrong patient, day or value makes wrong grades that look right: where no column's name says that
it is one of these, or two say it alike, it is asked for, not guessed.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from toxgrade.exports.inspect.column_look import ColumnLook, serials
from toxgrade.exports.inspect.known_names import KnownNames
from toxgrade.exports.inspect.site_words import named_like, named_otherwise
from toxgrade.grading.result import GRADED_STATUSES, OTHER_STATUSES

_DATES, _MOST, _HALF, _SOME = 0.6, 0.8, 0.5, 0.2
_NAME = "its name says so"


@dataclass(frozen=True, slots=True)
class Seems:
    """What a column seems to be, of ours or ``sex`` and ``birth``; ``score``: how much it does.

    ``name``: how much of it is its name (``named_like``).
    """

    ours: str
    evidence: str
    score: float
    name: int = 0


def seems(
    looks: Sequence[ColumnLook], decimal: str, names: KnownNames
) -> Mapping[str, Mapping[str, Seems]]:
    """Return by our column the columns of the file that may be it."""
    found: dict[str, dict[str, Seems]] = {}
    for look in looks:
        for one in _possible(look, decimal, names):
            found.setdefault(one.ours, {})[look.name] = one
    return found


def _possible(look: ColumnLook, decimal: str, names: KnownNames) -> list[Seems]:
    if not look.filled:
        return []
    total = sum(look.texts.values())
    numbers = look.numbers(decimal) / total
    dates = look.date_share
    found: list[Seems] = []

    def may_be(ours: str, share: float, least: float, what: str, *, by_name: int = 0) -> None:
        name = named_like(ours, look.name)
        if share >= least and name >= by_name and not named_otherwise(ours, look.name):
            cells = f"{round(share * total):,} of {total:,} cells {what}"
            evidence = cells + f", and {_NAME}" * (name > 1)
            found.append(Seems(ours, evidence, share * 3 + name, name))

    for ours in ("rt_start", "rt_end", "birth"):
        may_be(ours, dates, _DATES, "are dates", by_name=2)
    if not any(one.ours in ("rt_start", "rt_end", "birth") for one in found):
        may_be("collected", dates, _DATES, "are dates")
        may_be("collected", serials(look) / total, _MOST, "may be a spreadsheet's days", by_name=1)
    if dates >= _DATES:
        return found
    known = look.share(lambda text: names.means(text) is not None)
    may_be("analyte", known, _SOME, "are names of tests")
    may_be("unit", look.share(lambda text: _is_unit(text, names)), _HALF, "are units")
    may_be("range", look.ranges(decimal) / total, _HALF, "are ranges")
    may_be("comparator", look.signs, _MOST, "are signs")
    may_be("specimen", look.specimens, _HALF, "name specimens")
    may_be("indicator", look.indicators, _MOST, "are flags", by_name=2)
    may_be("sex", look.sexes, _MOST, "name a sex", by_name=1)
    for ours in ("lln", "uln"):
        may_be(ours, numbers, _HALF, "are numbers", by_name=2)
    may_be("collected_day", numbers, _HALF, "are numbers", by_name=3)
    may_be("value", numbers, _HALF, "are numbers")
    may_be("patient", 1.0, _HALF, "hold something", by_name=1)
    statuses = look.share(lambda text: text in (*GRADED_STATUSES, *OTHER_STATUSES))
    may_be("status", statuses, _MOST, "are statuses", by_name=1)
    may_be("source_id", 1.0, _HALF, "hold something", by_name=3)
    may_be("baseline", look.share(lambda text: text.upper() == "Y"), _MOST, "are Y", by_name=2)
    return found


def _is_unit(text: str, names: KnownNames) -> bool:
    """Return whether a text is a unit; the 1 of a ratio is a number here."""
    return any(map(str.isalpha, text)) and names.is_unit(text)


_ORDER = (
    "birth", "sex", "rt_start", "rt_end", "analyte", "unit", "value", "range", "comparator",
    "patient", "collected", "collected_day", "lln", "uln", "indicator", "baseline", "status",
    "source_id", "specimen",
)  # fmt: skip


_LEAST_NAME = {
    "patient": 2, "collected": 1, "value": 1, "unit": 0, "lln": 2, "uln": 2, "rt_start": 2,
    "rt_end": 2,
}  # fmt: skip
"""How much the name of these must say, and more than that of every other candidate."""


def chosen(
    possible: Mapping[str, Mapping[str, Seems]], signed: Container[str] = ()
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the file's column for each of ours, each taken once; and those of ours that cannot be
    told, each with its candidates.

    ``signed``: the columns with signs of comparison before numbers. Of two columns of values the
    one with them is it: without, ``>200`` would be 200.
    """
    taken, unclear = dict[str, str](), dict[str, list[str]]()
    for ours in _ORDER:
        left = {n: one for n, one in possible.get(ours, {}).items() if n not in taken.values()}
        if not left:
            continue
        best = max(left, key=lambda name: left[name].score)
        if ours in _LEAST_NAME:
            most = max(one.name for one in left.values())
            equal = [name for name, one in left.items() if one.name == most]
            if ours == "value" and len(equal) > 1:
                equal = [name for name in equal if name in signed] or equal
            if len(equal) > 1 or most < _LEAST_NAME[ours]:
                unclear[ours] = equal
                continue
            (best,) = equal
        taken[ours] = best
    return taken, unclear
