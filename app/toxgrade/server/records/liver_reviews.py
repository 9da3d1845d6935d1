"""Reviewers' verdicts on liver safety findings, recorded with their history."""

from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from toxgrade.cohort.liver_entries import Review, Reviews
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.newest import newest_first
from toxgrade.server.records.db.tables import liver_reviews
from toxgrade.server.records.db.transaction import Transaction

ReviewedFinding = Literal["hys_law", "classic_rild", "non_classic_rild"]


def record_review(
    transaction: Transaction,
    patient_id: int,
    finding: str,
    date: str,
    verdict: str,
    cause: str | None,
) -> Row[Any]:
    """Record a verdict and return its row; one that equals the newest changes nothing."""
    of_finding = (
        liver_reviews.c.patient_id == patient_id,
        liver_reviews.c.finding == finding,
        liver_reviews.c.date == date,
    )
    newest = select(liver_reviews).where(*of_finding).order_by(newest_first(liver_reviews)).limit(1)
    before = transaction.read().execute(newest).first()
    if before is not None and (before.verdict, before.cause) == (verdict, cause):
        return before
    row = {
        "patient_id": patient_id,
        "finding": finding,
        "date": date,
        "verdict": verdict,
        "cause": cause,
        "recorded_at": transaction.runtime.now(),
    }
    append(transaction, liver_reviews, [row])
    return transaction.read().execute(newest).one()


def list_reviews(connection: Connection, patient_id: int) -> list[Row[Any]]:
    """Return every review of a patient in the order in which they were recorded."""
    query = select(liver_reviews).where(liver_reviews.c.patient_id == patient_id)
    return list(connection.execute(query.order_by(liver_reviews.c.id)))


def current_reviews(connection: Connection, patient_id: int) -> Reviews:
    """Return the newest review of each finding as a report shows it."""
    return {
        (row.finding, row.date): Review(row.id, row.verdict, row.cause, row.recorded_at.isoformat())
        for row in list_reviews(connection, patient_id)
    }
