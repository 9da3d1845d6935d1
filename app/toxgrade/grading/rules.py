"""The rules that a study has chosen, and the grader for them."""

from dataclasses import dataclass

from toxgrade.criteria.interpretations import read_as
from toxgrade.criteria.model import Criteria
from toxgrade.grading.grader import Grader
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.phase import PRESETS, Window


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules one grading ran under; printed with every report.

    ``implausible``: ``refuse`` leaves a number outside the plausible bands ungraded, ``flag``
    grades it and says so. ``readings``: the reading chosen of each interpretation of CTCAE's text,
    by name and in order; what is not there is read by default.
    """

    edition: str = "4.03"
    window: Window = PRESETS["paper"]
    implausible: Implausible = "refuse"
    readings: tuple[tuple[str, str], ...] = ()


class Graders:
    """One grader for each edition and choice of what to do with implausible numbers."""

    def __init__(self, criteria: Criteria) -> None:
        self.criteria = criteria
        self._graders: dict[tuple[object, ...], Grader] = {}

    def under(self, rules: Rules) -> Grader:
        """The grader for a study's rules.

        Raises:
            CriteriaError: no such edition, interpretation or reading; the message names those there
                are.
        """
        edition = self.criteria.edition(rules.edition)
        key = (edition.name, rules.implausible, rules.readings)
        if key not in self._graders:
            chosen = read_as(edition, dict(rules.readings))
            self._graders[key] = Grader(chosen, self.criteria.analytes, rules.implausible)
        return self._graders[key]
