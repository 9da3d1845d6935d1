"""Which of a file's columns is which of ours, as their names and texts show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toxgrade.exports.column_look import ColumnLook, serials
from toxgrade.exports.known_names import KnownNames
from toxgrade.exports.site_words import named_like

_DATES, _MOST, _HALF, _SOME = 0.6, 0.8, 0.5, 0.2
_NAME = "its name says so"


@dataclass(frozen=True, slots=True)
class Seems:
    """What a column seems to be, of ours or ``sex`` and ``birth``; ``score``: how much it does."""

    ours: str
    evidence: str
    score: float


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
        if share >= least and name >= by_name:
            cells = f"{round(share * total):,} of {total:,} cells {what}"
            evidence = cells + f", and {_NAME}" * (name > 1)
            found.append(Seems(ours, evidence, share * 3 + name))

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
    may_be("source_id", 1.0, _HALF, "hold something", by_name=3)
    may_be("baseline", look.share(lambda text: text.upper() == "Y"), _MOST, "are Y", by_name=2)
    return found


def _is_unit(text: str, names: KnownNames) -> bool:
    """Return whether a text is a unit; the 1 of a ratio is a number here."""
    return any(map(str.isalpha, text)) and names.is_unit(text)


_ORDER = (
    "birth", "sex", "rt_start", "rt_end", "analyte", "unit", "range", "comparator", "patient",
    "collected", "collected_day", "lln", "uln", "indicator", "baseline", "source_id", "value",
    "specimen",
)  # fmt: skip


def chosen(possible: Mapping[str, Mapping[str, Seems]]) -> dict[str, str]:
    """Return our columns with the one of the file that is it most; each is taken once."""
    taken: dict[str, str] = {}
    for ours in _ORDER:
        left = {n: one for n, one in possible.get(ours, {}).items() if n not in taken.values()}
        if left:
            taken[ours] = max(left, key=lambda name: left[name].score)
    return taken
