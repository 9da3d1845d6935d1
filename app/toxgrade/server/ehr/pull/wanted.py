"""The patients to pull and those already done, as files say."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from toxgrade.errors import FileError
from toxgrade.server.records.studies import PATIENT_NAME

_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A patient to pull: the first line of the file, the study's pseudonym, the ids on the server.

    A patient who has several ids there stands on as many lines.
    """

    line: int
    patient: str
    fhir_ids: tuple[str, ...]


def read_wanted(path: Path) -> list[Wanted]:
    """Read the patients of a CSV file: ``patient`` and, where that differs, ``fhir_id``.

    Raises:
        FileError: the file or one of its lines cannot be used; the message names it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if "patient" not in (rows.fieldnames or ()):
                raise FileError(f"{path.name}: the header lacks patient (fhir_id may be beside it)")
            parsed = [_parse_row(row, path.name, rows.line_num) for row in rows]
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise FileError(f"{path.name}: expected a CSV file in UTF-8") from None
    return _by_patient(parsed, path.name)


def _parse_row(row: dict[str, str | None], file: str, line: int) -> Wanted:
    place = f"{file}, line {line}"
    patient = (row["patient"] or "").strip()
    fhir_id = (row.get("fhir_id") or "").strip() or patient
    if not PATIENT_NAME.fullmatch(patient):
        raise FileError(f"{place}: patient is the study's pseudonym, {PATIENT_NAME.pattern}")
    if not _FHIR_ID.fullmatch(fhir_id):
        raise FileError(f"{place}: fhir_id is the id of a FHIR Patient, {_FHIR_ID.pattern}")
    return Wanted(line, patient, (fhir_id,))


def _by_patient(rows: Iterable[Wanted], file: str) -> list[Wanted]:
    """Return one entry for each patient, with all ids; refuse an id of two patients."""
    found: dict[str, Wanted] = {}
    owners: dict[str, Wanted] = {}
    for row in rows:
        (fhir_id,) = row.fhir_ids
        owner = owners.setdefault(fhir_id, row)
        if owner.patient != row.patient:
            text = f"this is the fhir_id of line {owner.line}, too: one person has one pseudonym"
            raise FileError(f"{file}, line {row.line}: {text}")
        one = found.setdefault(row.patient, row)
        if fhir_id not in one.fhir_ids:
            found[row.patient] = replace(one, fhir_ids=(*one.fhir_ids, fhir_id))
    return list(found.values())


class Done:
    """The patients already done, recorded in a file of one study and server (None: nowhere)."""

    def __init__(self, path: Path | None, study: str, server: str) -> None:
        """Read the file; raise FileError if it is unusable, or of another study or server."""
        self._path = path
        self.patients: frozenset[str] = frozenset()
        if path is None:
            return
        title = f"pull {study} {server}"
        try:
            if not path.exists():
                path.write_text(f"{title}\n", encoding="utf-8")
            found_title, *patients = path.read_text(encoding="utf-8").splitlines() or [""]
        except (OSError, UnicodeDecodeError):
            raise FileError(f"{path.name}: it cannot be written or read") from None
        if found_title != title:
            raise FileError(f"{path.name}: it is of another study or server")
        self.patients = frozenset(patients)

    def add(self, patient: str) -> None:
        """Record that a patient's results are durable."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{patient}\n")
