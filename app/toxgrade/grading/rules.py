"""The rules of a study, and the graders for them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from toxgrade.criteria.interpretations import with_interpretations
from toxgrade.criteria.model import Criteria, Edition
from toxgrade.grading.dictionary import NO_DICTIONARY, Dictionary, dictionary_of
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.phase import PRESETS, Window


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that results are graded by; every report prints them.

    ``implausible``: ``refuse`` leaves a number outside the plausible bands ungraded, ``flag``
    grades and flags it. ``interpretations`` are (interpretation, choice) pairs in order; an
    interpretation that is not listed keeps its default. ``dictionary`` holds the site's own names.
    """

    edition: str = "4.03"
    window: Window = PRESETS["paper"]
    implausible: Implausible = "refuse"
    interpretations: tuple[tuple[str, str], ...] = ()
    dictionary: Dictionary = NO_DICTIONARY

    def document(self) -> dict[str, Any]:
        """Return the rules as studies and manifests store them, interpretations as ``readings``."""
        document = asdict(self)
        del document["dictionary"]
        if self.dictionary:  # Without one, what studies stored before it existed stays the same.
            document["dictionary"] = self.dictionary.document()
        return document | {"readings": document.pop("interpretations")}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the rules that ``document`` wrote, also one of a version without ``readings``."""
        rest = dict(document)
        window = Window(**rest.pop("window"))
        choices = tuple((name, choice) for name, choice in rest.pop("readings", ()))
        names = dictionary_of(rest.pop("dictionary", None))
        return cls(window=window, interpretations=choices, dictionary=names, **rest)

    def under(self, edition: Edition) -> "Rules":
        """Return the same rules by another edition, without choices that it does not have."""
        choices = {i.name: {c.name for c in i.choices} for i in edition.interpretations}
        kept = tuple((i, c) for i, c in self.interpretations if c in choices.get(i, ()))
        return replace(self, edition=edition.name, interpretations=kept)


_MOST_GRADERS = 64  # Dictionaries are as many as callers send; each grader keeps its grades.


class Graders:
    """A cache of graders: one per edition, interpretations and treatment of implausible numbers."""

    def __init__(self, criteria: Criteria) -> None:
        self.criteria = criteria
        self._graders: dict[tuple[object, ...], TermGrader] = {}

    def for_rules(self, rules: Rules) -> TermGrader:
        """Return the grader for a study's rules.

        Raises:
            CriteriaError: there is no such edition, interpretation or choice; the message names
                those there are.
        """
        edition = self.criteria.edition(rules.edition)
        key = (edition.name, rules.implausible, rules.interpretations, rules.dictionary)
        if key not in self._graders:
            if len(self._graders) >= _MOST_GRADERS:
                self._graders.clear()
            chosen = with_interpretations(edition, dict(rules.interpretations))
            self._graders[key] = TermGrader(
                chosen, self.criteria.analytes, rules.implausible, rules.dictionary or None
            )
        return self._graders[key]
