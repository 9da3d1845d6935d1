"""The report of a study's late toxicity, with its definition and its counts by attribution."""

from collections.abc import Mapping, Sequence
from datetime import date

from toxgrade.cohort.described import StudyReport, answer, described
from toxgrade.cohort.late_toxicity import LateCohort, LateToxicity, Visit
from toxgrade.cohort.left_out import Patients, Results, results_of
from toxgrade.grading.event import ATTRIBUTIONS, Attribution
from toxgrade.grading.result import Phase

_DEFINITION = (
    "Late: after the acute window, in the terms where a result or event is certainly worse than the"
    " patient's own baseline. Persistent: a clinician's event that began in the acute window and is"
    " known to have lasted beyond it: the next grade of its term, 1 or more, began late, or it"
    " resolved late, or it is declared ongoing; listed with its acute onset. Undecided: terms that"
    " may have been late and worse (not dated, graded or placed exactly, no baseline, or an acute"
    " event of which nothing later is recorded). Attribution: a clinician's, from the last late"
    " event of the term; laboratory grades have none of their own: unknown. Resolved: the first"
    " visit after the worst one that is not above the baseline."
)


@answer
class LateVisit:
    """A graded result or a clinician's event after the start of the course."""

    date: str | None = described("ISO 8601, the first possible day; null: undated.", "2012-02-03")
    days_from_end: int | None = described("Days since the end of radiotherapy; null: unknown.", 331)
    phase: Phase = described("Where the result or the onset of the event lies.", "late")
    at_least: int = described("The grade that is certain, 0 to 5.", 2)
    at_most: int = described("The grade that is possible, 0 to 5.", 2)
    value: str | None = described("As reported, with its unit; null: an event.", "2.9 mg/dL")
    persistent: bool = described("An acute event that lasted, or may have, into late.", False)


@answer
class LateTerm:
    """A term of a patient that was certainly worse than its baseline after the acute window."""

    patient: str = described("The patient's name in the study.", "SYN-004")
    term: str = described("The CTCAE term.", "Blood bilirubin increased")
    baseline_grade: int | None = described("The lowest possible; null: no baseline.", 0)
    worst_grade: int = described("The certain grade of the worst visit, 1 to 5.", 2)
    attribution: Attribution = described("Of the last late event of the term.", "unknown")
    persistent: bool = described("Late only because an acute event lasted.", False)
    first: LateVisit = described("The first late visit above the baseline.")
    worst: LateVisit = described("The first visit at the worst grade.")
    resolved: LateVisit | None = described("The first one not above baseline; null: none.")
    visits: list[LateVisit] = described("All dated visits after the start, by day.")


@answer
class UndecidedTerm:
    """A term of a patient that may have been late and worse than its baseline."""

    patient: str = described("The patient's name in the study.", "SYN-007")
    term: str = described("The CTCAE term.", "Fatigue")
    at_most: int = described("The highest grade that is possible, 1 to 5.", 2)
    attribution: Attribution = described("Of the last event that may be late.", "related")


@answer
class LateReport(StudyReport):
    """Late toxicity of a study by patient and term, of the attributions that were asked for."""

    course: int = described("The course of radiotherapy, 1 is the first.", 1)
    attribution: list[Attribution] = described("Those asked for.", [*ATTRIBUTIONS])
    definition: str = described("What is counted, in words.", "Late: after the acute window …")
    late: list[LateTerm] = described("Certainly late and worse, by patient, then by term.")
    by_attribution: dict[Attribution, Patients] = described(
        "The number of late terms and their patients, of every attribution.",
        {"related": {"n": 0, "patients": []}, "unrelated": {"n": 0, "patients": []},
         "unknown": {"n": 1, "patients": ["SYN-004"]}},
    )  # fmt: skip
    undecided: list[UndecidedTerm] = described("Possibly late and worse.")
    without_course: Patients = described("Patients of whom no course is known.")
    other_courses: Results = described("Results after the start of another course.")
    after_death: Results = described("Results and events dated after death.")


def late_report(
    study: StudyReport, course: int, attributions: Sequence[Attribution], found: LateCohort,
    other_courses: Mapping[str, int], after_death: Mapping[str, int],
) -> LateReport:  # fmt: skip
    """Return the late toxicity of those attributions; what was left out is by patient's name."""
    return LateReport(
        **vars(study),
        course=course,
        attribution=list(attributions),
        definition=_DEFINITION,
        late=[_term(one) for one in found.late if one.attribution in attributions],
        by_attribution={each: _count(found.late, each) for each in ATTRIBUTIONS},
        undecided=[
            UndecidedTerm(one.patient, one.term, one.at_most, one.attribution)
            for one in found.undecided
            if one.attribution in attributions
        ],
        without_course=Patients(len(found.without_course), found.without_course),
        other_courses=results_of(other_courses),
        after_death=results_of(after_death),
    )


def _count(late: Sequence[LateToxicity], attribution: Attribution) -> Patients:
    own = [one.patient for one in late if one.attribution == attribution]
    return Patients(len(own), sorted(set(own)))


def _term(one: LateToxicity) -> LateTerm:
    end = one.radiotherapy_end
    return LateTerm(
        patient=one.patient,
        term=one.term,
        baseline_grade=one.baseline_grade,
        worst_grade=one.worst.at_least,
        attribution=one.attribution,
        persistent=one.persistent,
        first=_visit(one.first, end),
        worst=_visit(one.worst, end),
        resolved=_visit(one.resolved, end) if one.resolved else None,
        visits=[_visit(each, end) for each in one.visits],
    )


def _visit(visit: Visit, end: date | None) -> LateVisit:
    day = visit.day
    return LateVisit(
        date=day.isoformat() if day else None,
        days_from_end=(day - end).days if day and end else None,
        phase=visit.phase,
        at_least=visit.at_least,
        at_most=visit.at_most,
        value=visit.value,
        persistent=visit.persistent,
    )
