"""A mapping proposed for an export, from looks at its columns."""

from collections import Counter
from collections.abc import Mapping, Sequence

from toxgrade.exports.inspect.column_guesses import Seems, chosen, seems
from toxgrade.exports.inspect.column_look import ColumnLook, is_value, serials
from toxgrade.exports.inspect.known_names import KnownNames
from toxgrade.exports.inspect.proposal import Guess, Proposal
from toxgrade.exports.inspect.site_words import named_like
from toxgrade.exports.inspect.wide_guesses import wide_guesses
from toxgrade.grading.parse import WHITE_SPACE
from toxgrade.tabular.layout import Layout
from toxgrade.tabular.mapping import NAMED
from toxgrade.tabular.sample import Sampled

_NULLS = {
    "na", "n/a", "nan", "null", "none", ".", "-", "--", "n.b.", "nb", "k.a.", "nicht bestimmt",
    "not done", "nd", "n.d.", "entfällt", "folgt", "?",
}  # fmt: skip
_CENTURY = 1950
_BESIDE = ("comparator", "specimen", "indicator", "status")
_OF_RESULT = ("value", "unit", "lln", "uln")  # A wide export names them for each of its results.
_MOST_ASKED = 6


def decimal_sign(looks: Sequence[ColumnLook]) -> tuple[str, str | None, bool]:
    """Return the decimal sign, its evidence (None: a point, as ever), and whether it is unclear.

    ``1,234`` may be a thousand or a number of three decimals: it says nothing by itself. So it is
    with ``1.234``, where all numbers with a point are like it, or one is as round as ``6.800``.
    """
    commas = points = either = thousands = rounded = 0
    for look in looks:
        if look.date_share > 1 / 2:
            continue
        for text, n in look.texts.items():
            number = "".join(one for one in text if one.isdigit() or one in ".,")
            whole, comma, rest = number.partition(",")
            if comma and rest.isdigit() and whole.isdigit():
                is_either = len(rest) == len("234") and whole.strip("0")
                either, commas = (either + n, commas) if is_either else (either, commas + n)
            elif "," not in number and number.count(".") == 1 and number.replace(".", "").isdigit():
                whole, _, rest = number.partition(".")
                points += n
                if len(rest) == len("234") and len(whole) < len("1234") and whole.strip("0"):
                    thousands, rounded = thousands + n, rounded + rest.endswith("00")
    if commas > points:
        return ",", f"{commas:,} numbers with a decimal comma, {points:,} with a point", False
    is_unclear = rounded > 0 or (either > 0 and not points) or 0 < thousands == points
    return ".", None, is_unclear


class FileGuesses:
    """The guesses for a sample of an export: ``proposal``, and what each column ``is``."""

    def __init__(
        self, looks: Sequence[ColumnLook], sampled: Sampled, names: KnownNames,
        layout: Layout | None,
    ) -> None:  # fmt: skip
        self._looks = {look.name: look for look in looks}
        self._names, self._layout = names, layout
        self.decimal, comma, unclear = decimal_sign(looks)
        self.proposal, self.seems = Proposal(), dict[str, Seems]()
        self._add_file(sampled)
        if comma:
            self._read("decimal", ",", comma)
        if unclear:
            question = "is 1,234 or 1.234 more than a thousand here, or a little more than one? A"
            self.proposal.questions.append(f'{question} decimal comma is [read] decimal = ","')
        self.columns = self._guess_columns() if layout is None else self._add_columns(layout)
        self._add_cells()

    def _read(self, key: str, value: str | int | Sequence[str], evidence: str) -> None:
        self.proposal.read.append(Guess(key, value, evidence))

    def _add_file(self, sampled: Sampled) -> None:
        for name, evidence in sampled.evidence.items():
            self._read(name, getattr(sampled.options, name), evidence)

    @property
    def layout(self) -> str | None:
        """The name of the layout that is recognised without a mapping; None: none is."""
        return self._layout.name if self._layout else None

    def _add_columns(self, layout: Layout) -> dict[str, str]:
        """Return the columns of a layout that is known, with those beside it that change results.

        A sign that is passed over gives wrong grades, and so does a specimen that is no blood.
        """
        left = [look for look in self._looks.values() if look.name not in layout.reads]
        possible = seems(left, self.decimal, self._names)
        found = {ours: possible[ours] for ours in _BESIDE if ours in possible}
        columns = dict(layout.named)
        for ours, name in chosen(found)[0].items():
            if ours not in layout.ours:
                columns[ours], self.seems[name] = name, found[ours][name]
                self.proposal.columns.append(Guess(ours, name, self.seems[name].evidence))
        return columns

    def _guess_columns(self) -> dict[str, str]:
        possible = seems([*self._looks.values()], self.decimal, self._names)
        signed = {name for name, look in self._looks.items() if look.has_signs}
        columns, unclear = chosen(possible, signed)
        self.seems = {name: possible[ours][name] for ours, name in columns.items()}
        if "analyte" not in columns:
            self._guess_wide(columns)
        if "comparator" in columns and "value" not in columns:
            del columns["comparator"]
        if {"lln", "uln"} & columns.keys() and columns.get("range"):
            del columns["range"]
        for ours in NAMED:
            name = columns.get(ours)
            if name is not None and (ours != name or ours in ("range", "collected_day")):
                self.proposal.columns.append(Guess(ours, name, self.seems[name].evidence))
        self._ask_for_missing(columns, unclear)
        self._ask_for_status(columns)
        return columns

    def _guess_wide(self, columns: dict[str, str]) -> None:
        entries = list(wide_guesses([*self._looks.values()], self.decimal, self._names))
        if not entries:
            return
        self.proposal.wide += entries
        of_results = {text for one in entries for key, text in one.entry.items()
                      if key.endswith("column")}  # fmt: skip
        for ours, name in [*columns.items()]:
            of_result = ours not in ("patient", "collected", "rt_start", "rt_end", "birth", "sex")
            if name in of_results or of_result:
                del columns[ours]
        for one in entries:
            self.seems[one.entry["column"]] = Seems("result", one.evidence, 0)

    def _ask_for_missing(
        self, columns: Mapping[str, str], unclear: Mapping[str, Sequence[str]]
    ) -> None:
        for ours, may_be in unclear.items():
            listed = ", ".join(map(repr, may_be[:_MOST_ASKED]))
            text = f"which column is {ours}? It may be {listed}: name it in [columns]"
            if not (self.proposal.wide and ours in _OF_RESULT):
                self.proposal.questions.append(text)
        needed = ["patient", "collected"]
        needed += [] if self.proposal.wide else ["analyte", "value"]
        for ours in needed:
            has_day = ours == "collected" and "collected_day" in columns
            if ours not in columns and ours not in unclear and not has_day:
                text = (
                    f"no column seems to be {ours}: name it in [columns], or a text in [constants]"
                )
                self.proposal.questions.append(text)

    def _ask_for_status(self, columns: Mapping[str, str]) -> None:
        """Ask about a column of statuses that is not read: cancelled results would be graded."""
        if "status" in columns:
            return
        for name, look in self._looks.items():
            is_left = look.filled and name not in columns.values()
            if is_left and named_like("status", name) > 1:
                text = (
                    f"does {name!r} tell which results are final? It is not read: status takes"
                    " final, corrected, amended, preliminary, cancelled"
                )
                self.proposal.questions.append(text)

    def _add_cells(self) -> None:
        self._add_dates()
        values = [self.columns.get("value"), *(one.entry["column"] for one in self.proposal.wide)]
        looks = [self._looks[name] for name in values if name in self._looks]
        nulls = Counter[str]()
        decorated = 0
        for look in looks:
            plain = "," if self.decimal == "," else "."
            for text, n in look.texts.items():
                if text.casefold() in _NULLS:
                    nulls[text] += n
                elif not is_value(text.replace(plain, ".")):
                    decorated += n * self._cleans(look, text)
        if nulls:
            told = ", ".join(f"{text} {n:,}" for text, n in nulls.most_common(5))
            self._read("null", [*nulls], f"among values: {told}")
        if decorated:
            self._read("strip", "flags", f"{decorated:,} values with flags, words or their unit")
        if "analyte" in self.columns:
            self._add_tests(self._looks[self.columns["analyte"]])

    def _cleans(self, look: ColumnLook, text: str) -> bool:
        """Return whether a cleaning makes a value of a text."""
        one = ColumnLook(look.name, 1, 1, {_without_unit(text, self._names): 1})
        return one.numbers(self.decimal) == 1

    def _add_dates(self) -> None:
        wide = [e.get("collected_column") for e in (one.entry for one in self.proposal.wide)]
        columns = [self.columns.get(name) for name in ("collected", "rt_start", "rt_end")]
        forms, unordered = Counter[str](), 0
        for name in dict.fromkeys([*columns, *wide]):
            look = self._looks.get(name or "")
            if look is None:
                continue
            forms.update(look.dates.forms)
            unordered += look.dates.unordered
            if serials(look) and name == self.columns.get("collected"):
                forms["excel"] += serials(look)
        if forms:
            told = ", ".join(f"{form} {n:,}" for form, n in forms.most_common())
            self._read("dates", [form for form, _ in forms.most_common()], f"cells: {told}")
        if any("%y" in form for form in forms):
            self._read("century", _CENTURY, "years of two digits, taken from 1950 to 2049")
        if unordered:
            text = f"which is the day in {unordered:,} dates as 1/2/2011? They show none, or both."
            either = '[read] dates = "%d/%m/%Y" or "%m/%d/%Y"'
            self.proposal.questions.append(f"{text} {either}")

    def _add_tests(self, look: ColumnLook) -> None:
        for text in look.texts:
            if self._names.analyte(text) is None and (guess := self._names.guess(text)):
                self.proposal.analytes.append(Guess(text, *guess))


def _without_unit(text: str, names: KnownNames) -> str:
    """Return a value without the unit behind it, whichever it is."""
    number, space, unit = text.partition(" ")
    return number if space and names.is_unit(unit.strip(WHITE_SPACE)) else text
