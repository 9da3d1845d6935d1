"""A second reader: limits derived from NCI's wording alone, sharing no code with the grammar.

A limit here is its comparison, number, reference, unit and condition:
``(">", 3, "ULN", None, None)``, ``("<", 30, None, "g/L", None)``.
"""

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

NCI: dict[str, Any] = json.loads(
    (Path(__file__).parent / "nci_lab_terms.json").read_text(encoding="utf-8")
)


class Read(NamedTuple):
    """One limit as a tuple; ``number`` multiplies the reference, or is the limit without one.

    ``added`` is added to the reference (hemoglobin increased).
    """

    comparison: str
    number: Decimal
    reference: str | None
    unit: str | None
    condition: str | None = None
    added: Decimal = Decimal(0)


_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"(?:/mm3|x 10e9 ?/L|x 10\^9/L|g/dL|gm/dL|g/L|mmol/L|mg/dL|ml/min)"
_UNITS: dict[str | None, str] = {
    **dict.fromkeys(("x 10e9 /L", "x 10e9/L", "x 10^9/L"), "10*9/L"),
    "gm/dL": "g/dL", "ml/min": "mL/min", None: "1",
}  # fmt: skip
_LOW_TERM = re.compile(r"decreased|^Hypo|Anemia|penia$|Acidosis|globin decreased")

# No number decides these parts of a cell.
_WORDS = {
    "transfusion indicated", "hemorrhage", "bleeding", "symptomatic", "seizures",
    "hospitalization indicated", "life-threatening consequences", "intervention indicated",
    "intervention initiated", "urgent intervention indicated", "monitoring only indicated",
    "dose adjustment indicated",
}  # fmt: skip
# The grade without symptoms is the milder one, so its part of the cell is ignored.
_MILDER = re.compile(r" and asymptomatic( or with mild signs or symptoms)?$")
_SYMPTOMS = re.compile(
    r"( and)?( with( moderate or severe)? signs or symptoms| symptomatic| regardless of symptoms"
    r"| without physiologic consequences| with physiologic consequences)$|^Symptomatic with "
)
_PREFIXES = re.compile(
    r"^(Hemoglobin \(Hgb\) |Hgb |Corrected serum calcium of |Ionized calcium "
    r"|Fasting glucose value |absolute value )"
)
_CONDITIONS = {
    "if baseline was normal": "baseline <= ULN",
    "if baseline was normal or less than normal": "baseline <= ULN",
    "if baseline was abnormal": "baseline > ULN",
    "if baseline was >ULN": "baseline > ULN",
    "if baseline was >ULN up to 5 x ULN": "baseline > ULN",
    "if baseline is below LLN": "baseline < LLN",
    "if on anticoagulation": None,
}
_MISPRINTS = {
    "<0.2 x 0.05 - 10e9 /L": "<0.2 - 0.05 x 10e9 /L",
    ">3.0 baseline": ">3.0 x baseline",
    ">13.5 mg/dL;>3.4": ">13.5 mg/dL; >3.4",
}


def read_cell(text: str, name: str, analyte: str) -> set[Read]:
    """Return every limit that a grade's cell prints for a test, by the end nearer to normal."""
    if found := re.fullmatch(
        rf"Increase in >({_NUMBER})(?: - {_NUMBER})? gm?/dL(.*)", text.replace(",", "")
    ):
        return _increase(Decimal(found[1]), found[2])
    if found := re.fullmatch(r"pH ([<>])(?:normal, but [<>]=)?(\d\.\d)", text):
        if "normal" in text:
            return {Read(found[1], Decimal(1), "LLN" if found[1] == "<" else "ULN", None)}
        return {Read(found[1], Decimal(found[2]), None, "1")}
    if text in (">Baseline and ULN", ">ULN and >Baseline"):
        return {Read(">", Decimal(1), "ULN", None, "value > baseline")}
    cleaned = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    for wrong, right in _MISPRINTS.items():
        cleaned = cleaned.replace(wrong, right)
    low = bool(_LOW_TERM.search(name))
    found_: set[Read] = set()
    for part in re.split(r"; ?| or (?!less|severe|symptoms|with)", cleaned):
        if part in _WORDS or _MILDER.search(part):
            continue
        if name.endswith("calcemia"):
            if part.startswith(("Corrected", "Ionized")):
                of_ionized = part.startswith("Ionized")
            if of_ionized is not (analyte == "ionized calcium"):
                continue
        found_.add(_part(_SYMPTOMS.sub("", _PREFIXES.sub("", part)), low))
    return _nearest(found_)


def _increase(added: Decimal, above: str) -> set[Read]:
    unit = "g/dL" if added else None
    if above == " above ULN or above baseline if baseline is above ULN":
        return {
            Read(">", Decimal(1), "ULN", unit, "baseline <= ULN", added),
            Read(">", Decimal(1), "baseline", unit, "baseline > ULN", added),
        }
    if above not in ("", " above ULN"):
        raise AssertionError(f"the second reader does not know {above!r}")
    return {Read(">", Decimal(1), "ULN", unit, None, added)}


def _part(part: str, low: bool) -> Read:
    condition = None
    if found := re.search(r" (if (?:baseline|on) .*)$", part):
        condition = _CONDITIONS[found[1]]
        part = part.removesuffix(found[0])
    abnormal = "if abnormal, "
    if part.startswith(abnormal):
        condition, part = "value < LLN", part.removeprefix(abnormal)
    # "<LLN - 30 g/L", ">ULN - 3.0 x ULN", ">ULN - 10 mg/dL (0.59 mmol/L)", "<LLN".
    if found := re.fullmatch(
        rf"([<>])(ULN|LLN)(?: - {_NUMBER} ?(?:x [UL]LN|{_UNIT})( \(.*\))?)?", part
    ):
        return Read(found[1], Decimal(1), found[2], None, condition)
    # ">3.0 - 5.0 x ULN", ">2.5 x ULN - 5 x ULN", ">1 - 1.5 x baseline", "1.5 - 3.0 x baseline",
    # ">1 - 1.5 times above baseline".
    if found := re.fullmatch(
        rf"([<>]?) ?({_NUMBER})(?: x ULN)?(?: - {_NUMBER})? (?:x|times above) (ULN|LLN|baseline)",
        part,
    ):
        return Read(found[1] or ">=", Decimal(found[2]), found[3], None, condition)
    # "<25% decrease from baseline" (some decrease), "25 - <50% decrease ...", "75% decrease ...".
    if found := re.fullmatch(r"(<?)(\d+)(?: - <\d+)?% decrease from baseline", part):
        if found[1]:
            return Read("<", Decimal(1), "baseline", None, condition)
        return Read("<=", 1 - Decimal(found[2]) / 100, "baseline", None, condition)
    # "<3000 - 2000/mm3", "<3.0 - 2.0 x 10e9 /L", ">300 mg/dL - 500 mg/dL", ">1.2 - 1.5".
    if found := re.fullmatch(
        rf"([<>])({_NUMBER})(?:(?:{_UNIT}| mg/dL| mmol/L)? - {_NUMBER})? ?({_UNIT})?", part
    ):
        return Read(found[1], Decimal(found[2]), None, _UNITS.get(found[3], found[3]), condition)
    # A range without a comparison holds its ends: "150 mg/dL - 300 mg/dL", "125 - <130 mmol/L".
    if found := re.fullmatch(rf"({_NUMBER})(?: ?{_UNIT})? ?- ?(<?)({_NUMBER}) ?({_UNIT})", part):
        unit = _UNITS.get(found[4], found[4])
        if low:
            return Read(found[2] or "<=", Decimal(found[3]), None, unit, condition)
        return Read(">=", Decimal(found[1]), None, unit, condition)
    raise AssertionError(f"the second reader does not know {part!r}")


def _nearest(reads: Iterable[Read]) -> set[Read]:
    """Return the limit nearest to normal of each kind; the others of its kind follow from it."""
    kinds: dict[object, Read] = {}
    for read in reads:
        kind = (read.comparison[0], read.reference, read.unit, read.condition)
        best = kinds.setdefault(kind, read)
        nearer = (
            read.number > best.number if read.comparison[0] == "<" else read.number < best.number
        )
        if nearer:
            kinds[kind] = read
    return set(kinds.values())


def limit(comparison: str, number: str, what: str, condition: str | None = None) -> Read:
    """Return such as ``limit("<", "130", "mmol/L")`` or ``limit(">", "1", "ULN")``."""
    if what in ("ULN", "LLN", "baseline"):
        return Read(comparison, Decimal(number), what, None, condition)
    return Read(comparison, Decimal(number), None, what, condition)


_ALL = ("4.03", "5.0", "6.0")
_ABOVE_150 = {limit(">", "150", "mg/dL"), limit(">", "1.71", "mmol/L")}
INTERPRETED: dict[tuple[str, str, int], tuple[str, set[Read]]] = {
    **{(e, "Hypokalemia", 1): ("hypokalemia", set()) for e in _ALL},
    **{(e, "Hyperuricemia", 1): ("hyperuricemia", set()) for e in _ALL},
    **{(e, "Hypertriglyceridemia", 1): ("hypertriglyceridemia", _ABOVE_150) for e in _ALL},
    ("5.0", "Hyponatremia", 3): ("hyponatremia", {limit("<", "130", "mmol/L")}),
    ("6.0", "Lymphopenia", 1): ("lymphopenia", {limit("<", "1", "LLN")}),
}
"""Grades whose default choice departs from NCI's wording: the interpretation and its limits."""


def limits_of(edition: str, name: str, grade: int, analyte: str) -> set[Read]:
    """Return the limits of a grade for a test, by the wording or by the default choice."""
    if (edition, name, grade) in INTERPRETED:
        return INTERPRETED[edition, name, grade][1]
    wording = NCI[name][edition]["grades"][str(grade)]
    return read_cell(wording, name, analyte) if prints_a_limit(wording) else set()


def prints_a_limit(wording: str) -> bool:
    """Return whether a cell has anything that a number can be compared with."""
    return bool(re.search(r"\d|ULN|LLN|>Baseline", wording))
