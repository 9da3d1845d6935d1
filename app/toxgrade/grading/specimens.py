"""Which specimens are blood, serum or plasma: a closed list of whole words."""

import re

_BLOOD = {
    "bld", "blda", "bldc", "bldv", "blood", "wb", "ser", "serum", "plas", "plasma", "serpl",
    "serplas", "ppp", "prp", "blut", "vollblut", "bloed", "sang", "sangre", "sangue", "siero",
    "suero",
}  # fmt: skip
_BESIDE_BLOOD = {
    "specimen", "sample", "whole", "peripheral", "venous", "ven", "arterial", "art", "capillary",
    "cap", "or", "and", "edta", "heparin", "heparinized", "heparinised", "lithium", "sodium",
    "citrate", "citrated", "fluoride",
}  # fmt: skip
"""Words that name blood, and words that may stand beside one; any other word is another specimen,
so ``cord blood`` and ``blood in urine`` are."""
_BLOOD_CODES = {
    "119297000", "119361006", "119364003", "122552005", "122554006", "122555007", "258580003",
}  # fmt: skip
"""SNOMED CT: blood, plasma and serum specimens; arterial, capillary, venous and whole blood."""


def names_blood(name: str) -> bool:
    """Return whether a specimen's name or SNOMED CT code means blood, serum or plasma.

    A word that is not listed makes it another specimen: ``blood in urine`` and ``cord blood``.
    """
    words = set(re.findall(r"[^\W_]+", name.casefold()))
    return name in _BLOOD_CODES or (bool(words & _BLOOD) and words <= _BLOOD | _BESIDE_BLOOD)
