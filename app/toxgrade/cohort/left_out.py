"""What a report could not place in time, or did not count, as its answer tells it."""

from collections.abc import Iterable, Mapping

from toxgrade.cohort.described import answer, described


@answer
class Patients:
    """The number of patients, or of their terms, and the patients' names."""

    n: int = described("How many.", 1)
    patients: list[str] = described("The patients' names, sorted.", ["SYN-004"])


@answer
class Results:
    """The number of results, and the patients whose they are."""

    results: int = described("The number of results.", 0)
    patients: list[str] = described("The patients' names, sorted.", [])


@answer
class LeftOut:
    """What a reduction could not place, or did not count."""

    phase_unknown: dict[str, int] = described(
        "Graded results of unknown phase, which count as bounds: n of all, and by reason (no_date,"
        " date_too_coarse, no_end_of_treatment, no_start_of_treatment).",
        {"n": 2, "no_date": 2},
    )
    other_courses: Results = described("Results after the start of another course: not counted.")
    after_death: Results = described("Results and events dated after death: not counted.")
    without_course: Patients = described("No course is known: not in the denominator.")


def left_out(
    phase_unknown: Mapping[str, int],
    without_course: Iterable[str],
    other_courses: Mapping[str, int] | None = None,
    after_death: Mapping[str, int] | None = None,
) -> LeftOut:
    """Return what was left out: results by reason, patients, and numbers of results by patient."""
    return LeftOut(
        {"n": sum(phase_unknown.values())} | dict(sorted(phase_unknown.items())),
        results_of(other_courses or {}),
        results_of(after_death or {}),
        patients_of(without_course),
    )


def results_of(by_patient: Mapping[str, int]) -> Results:
    """Return the number of results, from that of each patient, and the patients."""
    return Results(sum(by_patient.values()), sorted(by_patient))


def patients_of(names: Iterable[str]) -> Patients:
    """Return the patients, sorted, and their number."""
    found = sorted(names)
    return Patients(len(found), found)
