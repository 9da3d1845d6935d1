"""Whom to pull, and who is done: a pull that broke off goes on where it was."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from toxgrade.errors import FileError
from toxgrade.server.records.studies import PATIENT_NAME

_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A patient: the line that names them, the study's pseudonym, and the id on the server."""

    line: int
    patient: str
    fhir_id: str


def read_wanted(path: Path) -> list[Wanted]:
    """The patients of a CSV file with the columns ``patient`` and, where that differs, ``fhir_id``.

    Raises:
        FileError: naming the line that cannot be used.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if "patient" not in (rows.fieldnames or ()):
                raise FileError(f"{path.name}: the header lacks patient (fhir_id may be beside it)")
            return [_wanted(row, path.name, rows.line_num) for row in rows]
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise FileError(f"{path.name}: expected a CSV file in UTF-8") from None


def _wanted(row: dict[str, str | None], file: str, line: int) -> Wanted:
    place = f"{file}, line {line}"
    patient = (row["patient"] or "").strip()
    fhir_id = (row.get("fhir_id") or "").strip() or patient
    if not PATIENT_NAME.fullmatch(patient):
        raise FileError(f"{place}: patient is the study's pseudonym, {PATIENT_NAME.pattern}")
    if not _FHIR_ID.fullmatch(fhir_id):
        raise FileError(f"{place}: fhir_id is the id of a FHIR Patient, {_FHIR_ID.pattern}")
    return Wanted(line, patient, fhir_id)


class Done:
    """The patients that are done, in a file (None: kept nowhere) of one study and server."""

    def __init__(self, path: Path | None, study: str, server: str) -> None:
        """Raises FileError where the file is of another study or server."""
        self._path = path
        self.patients: frozenset[str] = frozenset()
        if path is None:
            return
        title = f"pull {study} {server}"
        try:
            if not path.exists():
                path.write_text(f"{title}\n", encoding="utf-8")
            kept, *patients = path.read_text(encoding="utf-8").splitlines() or [""]
        except (OSError, UnicodeDecodeError):
            raise FileError(f"{path.name}: it cannot be written or read") from None
        if kept != title:
            raise FileError(f"{path.name}: it is of another study or server")
        self.patients = frozenset(patients)

    def add(self, patient: str) -> None:
        """Keep that a patient's results are durable."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{patient}\n")
