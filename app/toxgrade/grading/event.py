"""A toxicity that a clinician graded by hand, placed in time like a laboratory result."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from toxgrade.criteria.vocabulary import Vocabulary, VocabularyTerm
from toxgrade.errors import CriteriaError, FieldFault, RequestError
from toxgrade.grading.result import Collected

Attribution = Literal["related", "unrelated", "unknown"]
EventStatus = Literal["final", "entered-in-error"]


@dataclass(frozen=True, slots=True)
class Event:
    """A clinician's grade of a CTCAE term from its onset on.

    ``grade`` 0: absent, or resolved by then. ``resolved`` None: not known to be resolved.
    ``attribution`` is to radiotherapy. ``source_id`` tells a correction from another event;
    ``entered-in-error`` withdraws it.
    """

    term: VocabularyTerm
    grade: int
    onset: Collected
    resolved: date | None = None
    attribution: Attribution = "unknown"
    status: EventStatus = "final"
    source_id: str | None = None


def term_to_grade(vocabulary: Vocabulary, name: str, grade: int) -> VocabularyTerm:
    """The term, if it has that grade; every term has 0 (absent, resolved).

    Raises:
        RequestError: naming near terms, or the grades that the term has.
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
