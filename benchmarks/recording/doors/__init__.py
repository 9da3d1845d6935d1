"""What is asked at each door, in the order in which it is sent."""

from benchmarks.recording.asked import Asked
from benchmarks.recording.doors import (
    batches,
    cds,
    edges,
    fhir,
    grade,
    hl7,
    pages,
    patients,
    reports,
    studies,
)

DOORS: dict[str, tuple[Asked, ...]] = {
    "grade": grade.REQUESTS,
    "studies": studies.REQUESTS,
    "patients": patients.REQUESTS,
    "batches": batches.REQUESTS,
    "hl7": hl7.REQUESTS,
    "fhir": fhir.REQUESTS,
    "cds": cds.REQUESTS,
    "reports": reports.REQUESTS,
    "pages": pages.REQUESTS,
    "edges": edges.REQUESTS,
}
"""The doors of an open service; ``access`` has one of its own, with keys."""
