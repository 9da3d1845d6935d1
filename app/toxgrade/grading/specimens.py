"""Which specimens are blood, serum or plasma: a closed list of whole words."""

import re
import unicodedata
from functools import lru_cache
from typing import Literal

SpecimenKind = Literal["blood", "venous", "other"]
"""``blood`` is also serum, plasma, arterial and capillary blood, and what is not told."""

_BLOOD = {
    "bld", "blda", "bldc", "bldv", "blood", "wb", "ser", "serum", "plas", "plasma", "serpl",
    "serplas", "serplasbld", "ppp", "prp", "blut", "vollblut", "bloed", "volbloed", "sang",
    "sangre", "sangue", "siero", "suero", "soro", "krew", "serumplasma", "edtablut", "citratblut",
    "heparinblut", "edtaplasma", "citratplasma", "heparinplasma", "citratedplasma", "venenblut",
    "kapillarblut", "arterienblut", "serumprobe", "plasmaprobe", "blutprobe", "blod", "helblod",
    "fullblod", "fuldblod", "veri", "kokoveri", "seerumi", "plazma", "osocze", "surowica", "krev",
    "krv", "szerum", "seerum",
}  # fmt: skip
_VENOUS = {
    "venous", "ven", "bldv", "venenblut", "venos", "venoses", "veineux", "veineuse", "venosa",
    "venoso", "veneus", "vein", "venost", "zylna", "122555007",
}  # fmt: skip
_ARTERIAL = {
    "arterial", "art", "blda", "bldc", "capillary", "cap", "arterienblut", "kapillarblut",
    "arteriell", "arteriellt", "arterielles", "arteriel", "arterioso", "arterieel", "kapillar",
    "kapillares", "capillaire", "capilar", "capillare", "capillair",
}  # fmt: skip
_BESIDE_BLOOD = {
    "specimen", "sample", "whole", "peripheral", "or", "and", "oder", "und", "edta", "k2", "k3",
    "li", "naf", "heparin", "heparinized", "heparinised", "lithium", "sodium", "potassium",
    "citrate", "citrated", "fluoride", "total", "entero", "intero", "with", "edetic", "acid",
    "k2edta", "k3edta", "ethylenediamine", "tetraacetic", "anticoagulant", "anticoagulated", "gel",
    "separator", "sst", "tube", "echantillon", "prelevement", "muestra", "campione", "amostra",
    "probe", "example", "de", "di", "of", "ou", "lub", "citrat", "zitrat", "fluorid", "heparinat",
}  # fmt: skip
"""Words that may stand beside one that names blood. Any other word makes it another specimen, so
``cord blood`` and ``blood in urine`` are."""
_ALONE = {"venous", "arterial", "capillary"}
"""Words that name blood although they do not say so."""
_BLOOD_CODES = {
    "119297000", "119361006", "119362004", "119364003", "122552005", "122554006", "122555007",
    "122592007", "258580003", "258958007", "441510007", "445295009", "446272009", "708048008",
    "708049000",
}  # fmt: skip
"""SNOMED CT: blood, plasma and serum specimens; arterial, capillary, venous and whole blood; with
EDTA, citrate or heparin; platelet poor plasma; acellular blood."""
_OTHER = {
    "urine", "urinalysis", "urin", "harn", "orina", "urines", "ur", "csf", "cerebrospinal",
    "liquor", "stool", "feces", "faeces", "fecal", "faecal", "stuhl", "saliva", "sputum", "semen",
    "sweat", "ascites", "ascitic", "pleural", "peritoneal", "synovial", "dialysate", "amniotic",
    "marrow", "bile", "gastric", "vitreous", "cord", "drain", "breast", "milk", "donor", "bldco",
    "nabelschnur", "nabelschnurblut", "knochenmark", "spender", "spenderblut", "aszites",
    "dialysat", "urinary", "urina", "mocz", "fluid", "effusion", "dipstick",
}  # fmt: skip
"""Words of categories and test names that mean another specimen; other words there say nothing."""
_NAMED = _BLOOD | _BLOOD_CODES | _VENOUS | _ARTERIAL | _OTHER
_SNOMED = 9  # digits, that a specimen's code has at least
_WORD = re.compile(r"[^\W_]+")


@lru_cache(10_000)
def specimen_kind(text: str | None) -> SpecimenKind:
    """Return whether a specimen's name or SNOMED CT code means blood, venous blood or neither.

    None and a blank text, which say nothing, count as blood.
    """
    words = _words(text or "")
    if not words:
        return "blood"
    named = words & (_BLOOD | _BLOOD_CODES | _ALONE)
    if not named or not words <= _BLOOD | _BLOOD_CODES | _VENOUS | _ARTERIAL | _BESIDE_BLOOD:
        return "other"
    return "venous" if words & _VENOUS and not words & _ARTERIAL else "blood"


def is_unknown_specimen(text: str) -> bool:
    """Return whether no word names a specimen: a local code (``S1``), a tube (``EDTA, gelb``).

    Such a one says nothing beside a code or text that is known. A code of SNOMED CT does.
    """
    words = _words(text)
    return not words & _NAMED and not any(w.isdecimal() and len(w) >= _SNOMED for w in words)


def names_other_specimen(text: str | None) -> bool:
    """Return whether a category or a test's name says that it is not blood: ``URINALYSIS``."""
    return bool(_words(text or "") & _OTHER)


def _words(text: str) -> set[str]:
    """Return the words of a text in small letters without accents: ``Sérum`` is ``serum``."""
    letters = _without_marks(text.casefold())  # Many marks in a row would cost their square.
    return set(_WORD.findall(_without_marks(unicodedata.normalize("NFKD", letters))))


def _without_marks(text: str) -> str:
    return text if text.isascii() else "".join(c for c in text if not unicodedata.combining(c))
