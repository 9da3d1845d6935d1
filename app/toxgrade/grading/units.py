"""Look-up of analytes by name, alias or LOINC code, and of units by spelling."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Protocol

from toxgrade.criteria.model import Analyte, Unit
from toxgrade.grading.specimens import SpecimenKind, is_unknown_specimen, specimen_kind

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_POWER_OF_TEN = re.compile(r"(?<=10)[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_WHITE_SPACE = re.compile(r"\s+")
_LOINC_SYSTEM = re.compile(
    r"(http://loinc\.org|urn:oid:2\.16\.840\.1\.113883\.6\.1|ln|lnc|loinc)\|(?=[0-9]+-[0-9]$)"
)
_GRAVEST: tuple[SpecimenKind, ...] = ("other", "venous", "blood")
_LONGEST = 200
_BETWEEN_WORDS = re.compile(r"[\s,()]+")


def canonical_spelling(text: str) -> str:
    """Return a unit's spelling in one form that means the same.

    ``10³/µL`` and ``10^3 / μL`` become ``10^3/uL``; UCUM annotations (``{cells}/uL``) are removed.
    The power is written out first, because NFKC would turn ``10³`` into ``103``. A text longer than
    any unit is left as it is: NFKC costs the square of the marks that stand in a row.
    """
    if len(text) > _LONGEST:
        return text
    powers = _POWER_OF_TEN.sub(lambda m: "^" + m[0].translate(_SUPERSCRIPTS), text)
    folded = unicodedata.normalize("NFKC", powers).replace("μ", "u")
    return _WHITE_SPACE.sub("", _ANNOTATION.sub("", folded))


def spellings(analyte: Analyte) -> dict[str, Unit]:
    """Return every accepted spelling of the analyte's units, in canonical form, with its unit.

    Variants in capitals or small letters (``MG/DL`` from older interfaces) and with the small litre
    (``U/l``) are accepted unless they could mean another unit or are ``never_units`` (``g/L`` is
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


def folded_name(text: str) -> str:
    """Return a name in one form: of ``Calcium, Total`` and ``calcium (total)``, the same."""
    return _BETWEEN_WORDS.sub(" ", text).strip().casefold()


class SiteNames(Protocol):
    """A site's own names, each with ours: a dictionary's ``analytes``, ``units``, ``specimens``."""

    @property
    def analytes(self) -> Iterable[tuple[str, str]]: ...
    @property
    def units(self) -> Iterable[tuple[str, str]]: ...
    @property
    def specimens(self) -> Iterable[tuple[str, str]]: ...


class Names:
    """Index of all analytes by name, alias and LOINC code, and of their units by spelling.

    The names of a site go before ours. ``own`` are ours alone: what makes a stored result the same
    one must not change with a study's dictionary.
    """

    def __init__(self, analytes: Iterable[Analyte], site: SiteNames | None = None) -> None:
        analytes = list(analytes)
        self.own = self if site is None else Names(analytes)
        self._site_analytes = _folded(site.analytes) if site else {}
        self._site_units = {canonical_spelling(t): ours for t, ours in site.units} if site else {}
        self._site_specimens = {specimen_key(t): o for t, o in site.specimens} if site else {}
        self._analytes: dict[str, Analyte] = {}
        self._refused: dict[str, str] = {}
        self._units: dict[str, Mapping[str, Unit]] = {}
        for analyte in analytes:
            for text in (*analyte.names, *analyte.loinc):
                self._analytes[folded_name(text)] = analyte
            self._refused |= analyte.refused_loinc
            self._units[analyte.name] = spellings(analyte)

    def analyte(self, text: str) -> Analyte | None:
        """Return the analyte of a name, alias or LOINC code; None if it is not graded."""
        return self._analytes.get(self._our_name(text))

    def _our_name(self, text: str) -> str:
        """Return the text, or what the site's dictionary says for it, in small letters.

        A code that the dictionary names without a system is that code in every system.
        """
        key = folded_name(text)
        if not self._site_analytes:
            return key
        ours = self._site_analytes.get(key) or self._site_analytes.get(key.rpartition("|")[2])
        return key if ours is None else folded_name(ours)

    def is_venous(self, text: str) -> bool:
        """Return whether the name or code of an analyte says that the sample is venous."""
        key = self._our_name(text)
        analyte = self._analytes.get(key)
        return analyte is not None and key in map(folded_name, analyte.venous)

    def specimen(self, text: str | None) -> SpecimenKind:
        """Return whether a specimen is blood, venous blood or other; blood where none is told."""
        ours = self._site_specimens.get(specimen_key(text)) if text else None
        return specimen_kind(text if ours is None else ours)

    def refusal(self, text: str) -> str | None:
        """Return what a similar LOINC code means that is not graded; None for any other code."""
        return self._refused.get(text.strip())

    def one_specimen(self, told: Iterable[Iterable[str]]) -> str | None:
        """Return the name of several specimens that is no blood, else the first; or None.

        Each has texts and codes. Those in the site's dictionary count, else those that are known:
        a local code or a tube's name says nothing beside a code that means serum.
        """
        named = (self._known_names([name for name in names if name]) for names in told)
        found = [name for names in named for name in names]
        return min(found, key=lambda name: _GRAVEST.index(self.specimen(name)), default=None)

    def _known_names(self, names: list[str]) -> list[str]:
        own = [name for name in names if specimen_key(name) in self._site_specimens]
        return own or [name for name in names if not is_unknown_specimen(name)] or names

    def unit(self, analyte: Analyte, text: str) -> Unit | None:
        """Return the analyte's unit of that spelling; None if it is not accepted."""
        accepted, spelling = self._units[analyte.name], canonical_spelling(text)
        ours = self._site_units.get(spelling)
        found = None if ours is None else accepted.get(canonical_spelling(ours))
        return found or accepted.get(spelling)


def _folded(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {site_key(theirs): ours for theirs, ours in entries}


def site_key(theirs: str) -> str:
    """Return the one form in which a site's name is looked up: LOINC codes without a system."""
    return _LOINC_SYSTEM.sub("", folded_name(theirs))


def specimen_key(theirs: str) -> str:
    """Return the form in which a site's specimen is looked up: the code, whatever its system."""
    return site_key(theirs.rpartition("|")[2])


class UnitKeys:
    """Integer keys for the units of each analyte. A key never changes: baselines refer to it."""

    def __init__(self) -> None:
        self._units: list[tuple[str, Unit]] = []

    def of(self, analyte: Analyte, unit: Unit) -> int:
        """Return the key of an analyte's unit."""
        named = (analyte.name, unit)
        if named not in self._units:
            self._units.append(named)
        return self._units.index(named)

    def factor(self, key: int) -> Fraction:
        """Return the factor from the unit to the analyte's canonical unit."""
        return self._units[key][1].factor

    def ratio(self, key: int, other: int | None) -> tuple[int, int]:
        """Return (n, d): a number in unit ``other`` times n / d is that number in unit ``key``."""
        if other is None:
            return 1, 1
        ratio = self._units[other][1].factor / self._units[key][1].factor
        return ratio.numerator, ratio.denominator
