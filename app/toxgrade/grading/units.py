"""Names and units: which analyte a name, alias or LOINC code means, which unit a spelling means."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from fractions import Fraction

from toxgrade.criteria.model import Analyte, Unit

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_POWER_OF_TEN = re.compile(r"(?<=10)[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_WHITE_SPACE = re.compile(r"\s+")


def canonical_spelling(text: str) -> str:
    """Bring a unit's spelling to one form without changing what it means.

    ``10³/µL`` and ``10^3 / μL`` become ``10^3/uL``; UCUM annotations (``{cells}/uL``) fall away.
    The power is written out before NFKC, which would turn ``10³`` into ``103``.
    """
    powers = _POWER_OF_TEN.sub(lambda m: "^" + m[0].translate(_SUPERSCRIPTS), text)
    to_plain_text = unicodedata.normalize("NFKC", powers).replace("μ", "u")
    return _WHITE_SPACE.sub("", _ANNOTATION.sub("", to_plain_text))


def spellings(analyte: Analyte) -> dict[str, Unit]:
    """Every accepted spelling of the analyte's units, normalised.

    All-capital and all-small variants (``MG/DL`` from older interfaces) and the small litre
    (``U/l``) are accepted where they cannot mean another unit; ``never_units`` are not (``g/L`` is
    no count, though ``G/L`` is).
    """
    written = {
        canonical_spelling(text): unit
        for unit in analyte.units
        for text in (unit.name, *unit.spellings)
    }
    variants: dict[str, dict[str, Unit]] = {}
    for text, unit in written.items():
        for variant in (text.upper(), text.lower(), text.replace("L", "l")):
            variants.setdefault(variant, {})[unit.name] = unit
    refused = {canonical_spelling(text) for text in analyte.never_units}
    derived = {
        text: next(iter(units.values()))
        for text, units in variants.items()
        if len(units) == 1 and text not in refused
    }
    return derived | written


class Names:
    """Look-ups built once from the analytes: analyte by any of its names, unit by any spelling."""

    def __init__(self, analytes: Iterable[Analyte]) -> None:
        self._analytes: dict[str, Analyte] = {}
        self._refused: dict[str, str] = {}
        self._units: dict[str, Mapping[str, Unit]] = {}
        for analyte in analytes:
            for text in (*analyte.names, *analyte.loinc):
                self._analytes[text.casefold()] = analyte
            self._refused |= analyte.refused_loinc
            self._units[analyte.name] = spellings(analyte)

    def analyte(self, text: str) -> Analyte | None:
        """The analyte of a name, alias or LOINC code; None if it is not one that is graded."""
        return self._analytes.get(text.strip().casefold())

    def refusal(self, text: str) -> str | None:
        """What a LOINC code means that looks like a graded analyte but is not; None if nothing."""
        return self._refused.get(text.strip())

    def unit(self, analyte: Analyte, text: str) -> Unit | None:
        """The unit of a spelling, for this analyte; None if it is not accepted for it."""
        return self._units[analyte.name].get(canonical_spelling(text))


class UnitKeys:
    """Numbers for the units of each analyte: for good, as baselines are kept by them."""

    def __init__(self) -> None:
        self._units: list[tuple[str, Unit]] = []

    def of(self, analyte: Analyte, unit: Unit) -> int:
        """The number of an analyte's unit."""
        place = (analyte.name, unit)
        if place not in self._units:
            self._units.append(place)
        return self._units.index(place)

    def factor(self, key: int) -> Fraction:
        """What a number in the unit is multiplied by to be in the analyte's canonical one."""
        return self._units[key][1].factor

    def ratio(self, key: int, other: int | None) -> tuple[int, int]:
        """A number in the other unit x the first / the second is that number in the unit."""
        if other is None:
            return 1, 1
        ratio = self._units[other][1].factor / self._units[key][1].factor
        return ratio.numerator, ratio.denominator
