"""Loader of the criteria files: ``analytes.toml`` and every ``ctcae_*.toml``."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

from toxgrade.criteria.grammar import Table, check_grades, parse_when
from toxgrade.criteria.interpretations import read_interpretations
from toxgrade.criteria.model import Analyte, Band, Criteria, Edition, GradeCriterion, Term, Unit
from toxgrade.errors import CriteriaError

_HERE = Path(__file__).parent
_ANALYTE_KEYS = {"name", "full_name", "aliases", "units", "plausible", "loinc"}
_MORE_ANALYTE_KEYS = {"plausible_in", "refused", "venous"}
_HEAD_KEYS = {"name", "also", "label", "released", "source"}
_TERM_KEYS = {"name", "meddra", "soc", "analyte", "grade"}
_KINDS = {"mass", "molar", "count", "activity", "time", "flow", "ratio"}


def load(directory: Path = _HERE, only: str | None = None) -> Criteria:
    """Load ``analytes.toml`` and every ``ctcae_*.toml`` of a directory.

    ``only`` names the one edition to load (each takes 6 ms); None, or a name of none: all.

    Raises:
        CriteriaError: a file is incomplete or contradictory; the message names the place in it.
    """
    analyte_bytes = (directory / "analytes.toml").read_bytes()
    try:
        analytes = read_analytes(_parse(analyte_bytes))
    except CriteriaError as error:
        raise CriteriaError(f"analytes.toml: {error}") from error
    editions: dict[str, Edition] = {}
    paths = sorted(directory.glob("ctcae_*.toml"))
    named = [path for path in paths if only is not None and only in _names(path)]
    for path in named or paths:
        content = path.read_bytes()
        digest = hashlib.sha256(content + analyte_bytes).hexdigest()
        try:
            edition = _edition(_parse(content), analytes, digest)
        except CriteriaError as error:
            raise CriteriaError(f"{path.name}: {error}") from error
        if edition.name in editions:
            raise CriteriaError(f"{path.name}: edition {edition.name} is there twice")
        editions[edition.name] = edition
    if not editions:
        raise CriteriaError("there is no ctcae_*.toml")
    return Criteria(editions, analytes)


def describe(criteria: Criteria) -> list[str]:
    """Return a summary in lines of text: one per edition and one for the analytes."""
    lines = [
        f"{edition.label}: {len(edition.terms)} terms,"
        f" {sum(len(c.limits) for term in edition.terms for c in term.grades)} limits,"
        f" sha256 {edition.sha256}"
        for edition in criteria.editions.values()
    ]
    analytes = criteria.analytes.values()
    codes = sum(len(analyte.loinc) for analyte in analytes)
    refused = sum(len(analyte.refused_loinc) for analyte in analytes)
    return [*lines, f"{len(analytes)} analytes, {codes} LOINC codes graded, {refused} refused"]


def read_analytes(document: Table) -> dict[str, Analyte]:
    """Read the analytes, by canonical name.

    Raises:
        CriteriaError: an analyte or unit is incomplete or contradicts another; it is named.
    """
    sets = document.get("units", {})
    analytes = [_analyte(entry, sets) for entry in document.get("analyte", [])]
    _unique(name for a in analytes for name in {n.casefold() for n in a.names})
    _unique(code for a in analytes for code in (*a.loinc, *a.refused_loinc))
    return {analyte.name: analyte for analyte in analytes}


def _analyte(entry: Table, sets: Table) -> Analyte:
    place = f"analyte {entry.get('name', '(without a name)')}"
    if unknown := entry.keys() - _ANALYTE_KEYS - _MORE_ANALYTE_KEYS:
        raise CriteriaError(f"{place}: unknown key {', '.join(sorted(unknown))}")
    if missing := _ANALYTE_KEYS - entry.keys():
        raise CriteriaError(f"{place}: missing {', '.join(sorted(missing))}")
    units, bands = sets.get(entry["units"]), entry.get("plausible_in", {})
    if units is None or not bands.keys() <= units["unit"].keys():
        of = f"{entry['units']!r} with {', '.join(bands)}".removesuffix(" with ")
        raise CriteriaError(f"{place}: there is no set of units {of}")
    for code in (*entry["loinc"], *entry.get("refused", {})):
        check_loinc(code, place)
    _unique(name.casefold() for name in entry["aliases"])
    return Analyte(
        name=entry["name"],
        full_name=entry["full_name"],
        aliases=tuple(entry["aliases"]),
        loinc=tuple(entry["loinc"]),
        refused_loinc=dict(entry.get("refused", {})),
        canonical_unit=units["canonical"],
        units=_units(units, f"units {entry['units']}"),
        never_units=tuple(units.get("never", ())),
        plausible_value=_band(entry["plausible"], "value", place),
        plausible_lln=_band(entry["plausible"], "lln", place),
        plausible_uln=_band(entry["plausible"], "uln", place),
        venous=tuple(entry.get("venous", ())),
        plausible_in={unit: _band(bands, unit, place) for unit in bands},
    )


def _units(entry: Table, place: str) -> tuple[Unit, ...]:
    units = tuple(_unit(name, fields, place) for name, fields in entry["unit"].items())
    if not any(unit.name == entry["canonical"] and unit.factor == 1 for unit in units):
        raise CriteriaError(f"{place}: the canonical unit must be one of its units, with factor 1")
    _unique(spelling for unit in units for spelling in (unit.name, *unit.spellings))
    return units


def _unit(name: str, fields: Table, place: str) -> Unit:
    if fields.keys() != {"factor", "kind", "spellings"} or fields["kind"] not in _KINDS:
        raise CriteriaError(f"{place}, {name}: needs factor, kind ({', '.join(_KINDS)}), spellings")
    numerator, _, denominator = str(fields["factor"]).partition("/")
    try:
        factor = Fraction(numerator) / Fraction(denominator or 1)
    except (ValueError, ZeroDivisionError):
        raise CriteriaError(f"{place}, {name}: a factor is 0.001 or 10000/584.66") from None
    if factor <= 0:
        raise CriteriaError(f"{place}, {name}: a factor is above 0")
    return Unit(name, factor, fields["kind"], tuple(fields["spellings"]))


def _band(plausible: Table, side: str, place: str) -> Band:
    try:
        low, high = (Decimal(text) for text in plausible[side])
    except (KeyError, ValueError, TypeError, InvalidOperation):
        raise CriteriaError(f"{place}: plausible.{side} is two numbers in quotes") from None
    if not 0 <= low < high:
        raise CriteriaError(f"{place}: plausible.{side} runs from 0 or more to something higher")
    return Band(low, high)


def check_loinc(code: str, place: str) -> None:
    """Refuse a text that is not a LOINC code, by its form and check digit (Regenstrief's mod 10).

    Raises:
        CriteriaError: the message names the code.
    """
    number, dash, check = code.partition("-")
    if not (dash and number.isdecimal() and check.isdecimal() and len(check) == 1):
        raise CriteriaError(f"{place}: {code!r} is not a LOINC code")
    doubled = int("".join(reversed(number[::-1][0::2]))) * 2
    others = number[::-1][1::2]
    total = sum(int(digit) for digit in f"{doubled}{others}")
    if (10 - total % 10) % 10 != int(check):
        raise CriteriaError(f"{place}: the check digit of LOINC {code} is wrong")


def _unique(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise CriteriaError(f"{name!r} is there twice")
        seen.add(name)


def _parse(content: bytes) -> Table:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CriteriaError(f"not TOML: {error}") from error


def _names(path: Path) -> tuple[str, ...]:
    """Return the names of an edition from the head of its file; none if that is faulty."""
    try:
        head = _parse(path.read_bytes().partition(b"\n[[")[0])["edition"]
        return head["name"], *head["also"]
    except (CriteriaError, KeyError):
        return ()  # ``load`` raises the error when it reads the whole file


def _edition(document: Table, analytes: Mapping[str, Analyte], digest: str) -> Edition:
    head = document.get("edition", {})
    if head.keys() != _HEAD_KEYS or document.keys() - {"interpretation"} != {"edition", "term"}:
        raise CriteriaError(f"[edition] has exactly {', '.join(sorted(_HEAD_KEYS))}, then [[term]]")
    terms = tuple(_term(entry, analytes) for entry in document["term"])
    _check_names(terms)
    return Edition(
        name=head["name"],
        also=tuple(head["also"]),
        label=head["label"],
        released=head["released"],
        source=head["source"],
        sha256=digest,
        terms=terms,
        interpretations=read_interpretations(document.get("interpretation", ()), terms, analytes),
    )


def _term(entry: Table, analytes: Mapping[str, Analyte]) -> Term:
    place = f"term {entry.get('name', '(without a name)')}"
    if entry.keys() - {"flag", "one_uln"} != _TERM_KEYS:
        raise CriteriaError(f"{place}: has exactly {', '.join(sorted(_TERM_KEYS))}")
    if not (len(entry["meddra"]) == 8 and entry["meddra"].isdecimal()):
        raise CriteriaError(f"{place}: a MedDRA code has 8 digits")
    if entry["analyte"] not in analytes:
        raise CriteriaError(f"{place}: {entry['analyte']!r} is not an analyte of analytes.toml")
    analyte = analytes[entry["analyte"]]
    grades = tuple(
        _grade(number, fields, analyte, f"{place}, grade {number}")
        for number, fields in sorted(entry["grade"].items())
    )
    return Term(
        name=entry["name"],
        meddra=entry["meddra"],
        soc=entry["soc"],
        analyte=analyte.name,
        direction=check_grades(grades, place),
        grades=grades,
        flag=entry.get("flag"),
        one_uln=entry.get("one_uln", False),
    )


def _check_names(terms: Sequence[Term]) -> None:
    """Refuse duplicate names and codes, except where several comparable tests grade one term."""
    by_name: dict[str, list[Term]] = {}
    for term in terms:
        by_name.setdefault(term.name, []).append(term)
    codes = [found[0].meddra for found in by_name.values()]
    if duplicates := {code for code in codes if codes.count(code) > 1}:
        raise CriteriaError(f"{', '.join(sorted(duplicates))} is there twice")
    for name, found in by_name.items():
        if len({term.analyte for term in found}) < len(found):
            raise CriteriaError(f"{name} is there twice")
        if len({(term.meddra, term.soc, term.direction) for term in found}) > 1:
            raise CriteriaError(f"{name}: its tests differ in code, class or direction")
        if len(found) > 1 and any(term.uses_baseline for term in found):
            raise CriteriaError(f"{name}: several tests cannot be compared with one baseline")


def _grade(number: str, fields: Table, analyte: Analyte, place: str) -> GradeCriterion:
    if number not in {"1", "2", "3", "4", "5"}:
        raise CriteriaError(f"{place}: grades run from 1 to 5")
    if fields.keys() == {"clinical"} and fields["clinical"]:
        return GradeCriterion(int(number), fields["clinical"], ())
    if fields.keys() != {"says", "when"} or not fields["says"] or not fields["when"]:
        raise CriteriaError(f"{place}: has says and when, or clinical alone")
    return GradeCriterion(int(number), fields["says"], parse_when(fields["when"], analyte, place))
