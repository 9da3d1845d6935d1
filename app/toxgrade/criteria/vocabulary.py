"""All terms of a CTCAE edition with their grades, for toxicities that a clinician grades."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files

from toxgrade.criteria.model import Criteria
from toxgrade.errors import CriteriaError

LABELS = {
    "liver pain": "Hepatic pain",
    "leukopenia": "White blood cell decreased",
    "thrombocytopenia": "Platelet count decreased",
}
"""Names that papers use, in lower case, with CTCAE's name for editions that lack such a term."""


@dataclass(frozen=True, slots=True)
class VocabularyTerm:
    """A term of CTCAE with its grades (nausea: 1 to 3); ``soc`` is its system organ class."""

    name: str
    meddra: str
    soc: str
    grades: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The terms of one edition, by their names in lower case."""

    edition: str
    terms: Mapping[str, VocabularyTerm]

    def term(self, name: str) -> VocabularyTerm:
        """Return the term of that name or label; capitals do not matter.

        Raises:
            CriteriaError: the edition has none; the message names up to three similar names.
        """
        key = " ".join(name.split()).casefold()
        label = LABELS.get(key, key).casefold()
        if found := self.terms.get(key) or self.terms.get(label):
            return found
        near = [self.terms[match].name for match in get_close_matches(key, self.terms)]
        hint = f"; near: {', '.join(near)}" if near else ""
        raise CriteriaError(f"expected a term of CTCAE {self.edition}{hint}")


def stored_term(vocabularies: Mapping[str, Vocabulary], edition: str, name: str) -> VocabularyTerm:
    """Return a stored term, from another edition if the study's present one lacks it."""
    by_edition = [vocabularies[edition], *vocabularies.values()]
    return next(v.terms[name.casefold()] for v in by_edition if name.casefold() in v.terms)


def load_vocabularies() -> dict[str, Vocabulary]:
    """Load the vocabulary of every edition from ``ctcae_terms.csv`` (source: NCI)."""
    text = (files("toxgrade.criteria") / "ctcae_terms.csv").read_text(encoding="utf-8")
    by_edition: dict[str, dict[str, VocabularyTerm]] = {}
    for row in csv.DictReader(text.splitlines()):
        grades = tuple(int(digit) for digit in row["allowed_grades"])
        term = VocabularyTerm(row["term"], row["meddra_code"], row["soc"], grades)
        by_edition.setdefault(row["edition"], {})[term.name.casefold()] = term
    return {edition: Vocabulary(edition, terms) for edition, terms in by_edition.items()}


def check_vocabularies(criteria: Criteria, vocabularies: Mapping[str, Vocabulary]) -> None:
    """Check that every edition has its terms, laboratory terms among them.

    Raises:
        CriteriaError: ``ctcae_terms.csv`` lacks an edition, or a term that the edition grades.
    """
    for name, edition in criteria.editions.items():
        known = vocabularies[name].terms if name in vocabularies else {}
        missing = [t.name for t in edition.terms if t.name.casefold() not in known]
        if missing:
            raise CriteriaError(f"ctcae_terms.csv lacks {missing[0]} of edition {name}")
