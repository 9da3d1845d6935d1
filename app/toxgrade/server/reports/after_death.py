"""What no report counts, as it is dated after the patient's death, which was recorded later."""

from collections import Counter
from collections.abc import Collection

from sqlalchemy import Connection, func, select

from toxgrade.grading.flags import Flag
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.patient_record import current_events
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import begins_after, deaths, has_flag, hold


def after_death(
    connection: Connection, study: Study, terms: Collection[str] | None = None
) -> dict[str, int]:
    """Return by patient how many results and events no report counts, as they are after death.

    ``terms``: only those that are graded for one of them; None: all.
    """
    late = [patients.c.study_id == study.id, hold(), has_flag(Flag.AFTER_DEATH)]
    if terms is not None:
        late.append(grades.c.term.in_(terms))
    found = Counter[str]()
    for name, n in connection.execute(
        select(patients.c.name, func.count(grades.c.result_id.distinct()))
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(*late)
        .group_by(patients.c.name)
    ):
        found[name] += n
    died = deaths(connection, study)
    for event in connection.execute(current_events(study.id)) if died else ():
        if begins_after(event, died.get(event.patient_id)) and (not terms or event.term in terms):
            found[event.patient] += 1
    return dict(found)
