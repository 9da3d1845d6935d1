"""The rules that a study has chosen, and the grader for them."""

from dataclasses import asdict, dataclass
from typing import Any

from toxgrade.criteria.interpretations import with_interpretations
from toxgrade.criteria.model import Criteria
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.phase import PRESETS, Window


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules one grading ran under; printed with every report.

    ``implausible``: ``refuse`` leaves a number outside the plausible bands ungraded, ``flag``
    grades it and says so. ``interpretations``: the choice for each interpretation of CTCAE's text,
    by name and in order; what is not listed keeps its default.
    """

    edition: str = "4.03"
    window: Window = PRESETS["paper"]
    implausible: Implausible = "refuse"
    interpretations: tuple[tuple[str, str], ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the rules as studies and manifests keep them, interpretations as ``readings``."""
        kept = asdict(self)
        return kept | {"readings": kept.pop("interpretations")}


class Graders:
    """One grader for each edition and choice of what to do with implausible numbers."""

    def __init__(self, criteria: Criteria) -> None:
        self.criteria = criteria
        self._graders: dict[tuple[object, ...], TermGrader] = {}

    def for_rules(self, rules: Rules) -> TermGrader:
        """The grader for a study's rules.

        Raises:
            CriteriaError: no such edition, interpretation or reading; the message names those there
                are.
        """
        edition = self.criteria.edition(rules.edition)
        key = (edition.name, rules.implausible, rules.interpretations)
        if key not in self._graders:
            chosen = with_interpretations(edition, dict(rules.interpretations))
            self._graders[key] = TermGrader(chosen, self.criteria.analytes, rules.implausible)
        return self._graders[key]
