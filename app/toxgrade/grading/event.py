"""A toxicity that a clinician graded by hand, placed in time like a laboratory result."""

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from toxgrade.criteria.vocabulary import Vocabulary, VocabularyTerm
from toxgrade.errors import CriteriaError, FieldFault, RequestError
from toxgrade.grading.result import Collected

Attribution = Literal["related", "unrelated", "unknown"]
ATTRIBUTIONS: tuple[Attribution, ...] = get_args(Attribution)
EventStatus = Literal["final", "entered-in-error"]


@dataclass(frozen=True, slots=True)
class Event:
    """A clinician's grade of a CTCAE term, from its onset on.

    ``grade`` 0 means absent, or resolved by then. ``resolved`` None: not known to be resolved.
    ``ongoing``: declared to go on, which excludes ``resolved``. ``attribution`` is to radiotherapy.
    ``source_id`` distinguishes a correction from another event; the status ``entered-in-error``
    withdraws the event.
    """

    term: VocabularyTerm
    grade: int
    onset: Collected
    resolved: date | None = None
    ongoing: bool = False
    attribution: Attribution = "unknown"
    status: EventStatus = "final"
    source_id: str | None = None


def term_to_grade(vocabulary: Vocabulary, name: str, grade: int) -> VocabularyTerm:
    """Return the term of that name or label, if it has the grade; every term has 0 (absent).

    Raises:
        RequestError: there is none, or it lacks the grade; the fault names similar terms or grades.
    """
    try:
        term = vocabulary.term(name)
    except CriteriaError as error:
        fault = FieldFault(("term",), "unknown-term", str(error))
        raise RequestError("the edition has no such term", [fault]) from None
    if grade not in (0, *term.grades):
        allowed = ", ".join(str(allowed) for allowed in (0, *term.grades))
        fault = FieldFault(("grade",), "no-such-grade", f"expected {allowed} for {term.name}")
        raise RequestError("the term does not have this grade", [fault])
    return term
