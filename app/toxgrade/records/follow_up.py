"""A patient's last contact, kept with its history."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Literal

from sqlalchemy import Connection, select

from toxgrade.records.append import append
from toxgrade.records.tables import follow_ups

VitalStatus = Literal["alive", "dead"]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The last contact: the day last seen alive, or of death; None where it is not known."""

    last_contact: date | None = None
    vital_status: VitalStatus | None = None
    cause: str | None = None

    @property
    def died(self) -> date | None:
        """The day of death; None while alive or not known."""
        return self.last_contact if self.vital_status == "dead" else None


def current_follow_up(connection: Connection, patient_id: int) -> FollowUp:
    """The follow-up as last recorded."""
    row = connection.execute(
        select(follow_ups.c.last_contact, follow_ups.c.vital_status, follow_ups.c.cause)
        .where(follow_ups.c.patient_id == patient_id)
        .order_by(follow_ups.c.id.desc())
        .limit(1)
    ).first()
    return FollowUp(*row) if row else FollowUp()


def save_follow_up(connection: Connection, patient_id: int, follow_up: FollowUp) -> None:
    """Record a follow-up unless it is what is recorded already."""
    if current_follow_up(connection, patient_id) != follow_up:
        place = {"patient_id": patient_id, "recorded_at": datetime.now(UTC)}
        append(connection, follow_ups, [asdict(follow_up) | place])
