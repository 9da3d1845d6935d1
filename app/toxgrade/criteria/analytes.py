"""Reading ``analytes.toml``: names, codes, units and plausible bands, refused if contradictory."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from toxgrade.criteria.model import Analyte, Band, Unit
from toxgrade.errors import CriteriaError

_KEYS = {"name", "full_name", "aliases", "units", "plausible", "loinc", "refused"}
_KINDS = {"mass", "molar", "count", "activity", "time", "flow", "ratio"}


def read_analytes(document: Mapping[str, Any]) -> dict[str, Analyte]:
    """The analytes by canonical name.

    Raises:
        CriteriaError: naming the analyte or unit that is incomplete or contradicts another.
    """
    sets = document.get("units", {})
    analytes = [_analyte(entry, sets) for entry in document.get("analyte", [])]
    _unique(a.name for a in analytes)
    _unique(name for a in analytes for name in {n.casefold() for n in a.names})
    _unique(code for a in analytes for code in (*a.loinc, *a.refused_loinc))
    return {analyte.name: analyte for analyte in analytes}


def _analyte(entry: Mapping[str, Any], sets: Mapping[str, Any]) -> Analyte:
    place = f"analyte {entry.get('name', '(without a name)')}"
    if unknown := entry.keys() - _KEYS:
        raise CriteriaError(f"{place}: unknown key {', '.join(sorted(unknown))}")
    if missing := _KEYS - {"refused"} - entry.keys():
        raise CriteriaError(f"{place}: missing {', '.join(sorted(missing))}")
    if entry["units"] not in sets:
        raise CriteriaError(f"{place}: there is no set of units {entry['units']!r}")
    units = sets[entry["units"]]
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
    )


def _units(entry: Mapping[str, Any], place: str) -> tuple[Unit, ...]:
    units = tuple(_unit(name, fields, place) for name, fields in entry["unit"].items())
    if not any(unit.name == entry["canonical"] and unit.factor == 1 for unit in units):
        raise CriteriaError(f"{place}: the canonical unit must be one of its units, with factor 1")
    _unique(spelling for unit in units for spelling in (unit.name, *unit.spellings))
    return units


def _unit(name: str, fields: Mapping[str, Any], place: str) -> Unit:
    if fields.keys() != {"factor", "kind", "spellings"} or fields["kind"] not in _KINDS:
        raise CriteriaError(f"{place}, {name}: needs factor, kind ({', '.join(_KINDS)}), spellings")
    try:
        numerator, _, denominator = str(fields["factor"]).partition("/")
        factor = Fraction(numerator) / Fraction(denominator or 1)
    except (ValueError, ZeroDivisionError):
        raise CriteriaError(f"{place}, {name}: a factor is 0.001 or 10000/584.66") from None
    if factor <= 0:
        raise CriteriaError(f"{place}, {name}: a factor is above 0")
    return Unit(name, factor, fields["kind"], tuple(fields["spellings"]))


def _band(plausible: Mapping[str, Any], side: str, place: str) -> Band:
    try:
        low, high = (Decimal(text) for text in plausible[side])
    except (KeyError, ValueError, TypeError, InvalidOperation):
        raise CriteriaError(f"{place}: plausible.{side} is two numbers in quotes") from None
    if not 0 <= low < high:
        raise CriteriaError(f"{place}: plausible.{side} runs from 0 or more to something higher")
    return Band(low, high)


def check_loinc(code: str, place: str) -> None:
    """Refuse a LOINC code whose check digit is wrong (mod 10, as Regenstrief defines it).

    Raises:
        CriteriaError: naming the code.
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
