"""One chunk of a stored batch: its rows are read, and stored in pieces, each in one transaction.

The plain grader grades every patient, as for ``POST …/results``, so that what a batch stores equals
what the same rows give over HTTP, field by field, reasons included. All is planned outside of the
transactions; where something else was stored meanwhile, a piece is planned anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection, Engine

from toxgrade.errors import RequestError
from toxgrade.grading.rules import Graders
from toxgrade.server.jobs.outcome import Outcome
from toxgrade.server.jobs.patient_rows import PIECE, ChunkRows, PatientRows
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_changes import Basis, read_basis
from toxgrade.server.records.new_rows import NewRows
from toxgrade.server.records.store_many import Known, plan_many, store_many
from toxgrade.server.records.studies import find_study
from toxgrade.server.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Done:
    """What is done of a chunk: ``pieces`` that settled ``rows``.

    ``patient`` comes in several pieces, of which at least the first is stored. Before it the
    patient had results of ids up to ``base``.
    """

    pieces: int = 0
    rows: int = 0
    patient: str | None = None
    base: int | None = None


@dataclass(slots=True)
class Piece:
    """What is done in one transaction: rows are stored, and the ``outcome`` of rows is settled.

    ``patient`` comes in several pieces, ``base`` as in ``Done``. Who has committed the transaction
    sets ``is_stored``; else the piece is planned anew.
    """

    basis: Basis
    graders: Graders
    outcome: Outcome
    new: Sequence[tuple[Known, NewRows]] = ()
    patient: Known | None = None
    base: int | None = None
    is_stored: bool = False

    @property
    def part_of(self) -> tuple[int, int] | None:
        """The row id and the base of the patient who comes in several pieces; None: nobody."""
        if self.patient is None or self.patient.id is None or self.base is None:
            return None
        return self.patient.id, self.base

    def store(self, transaction: Transaction) -> None:
        """Store the new rows.

        Raises:
            StateChanged, Conflict: the piece must be planned anew.
        """
        if self.new:
            store_many(transaction, self.basis, self.graders, self.new)


class StoredChunk:
    """The rows of one chunk on their way into the database; ``frames`` as ``Partition.read``."""

    def __init__(
        self,
        frames: Iterable[pl.DataFrame],
        engine: Engine,
        runtime: Runtime,
        study: str,
        graders: Graders,
        done: Done = Done(),
    ) -> None:
        self._frames, self._engine, self._study = frames, engine, study
        self._runtime, self._graders, self._done = runtime, graders, done

    def pieces(self) -> Iterator[Piece]:
        """Yield what is left to do, piece by piece, each planned when the one before is stored.

        Rows are settled in the same order each time: those that are refused by themselves, where
        they are many, then patient by patient.
        """
        skip = self._done.rows
        with read_only(self._engine).begin() as connection:
            basis = self._basis(connection)
        rows = ChunkRows(basis.grader)
        for refused in rows.read(self._frames):
            if skip >= len(refused.rows):
                skip -= len(refused.rows)
                continue
            outcome = _outcome(refused.source, [refused.rows], basis)
            yield Piece(basis, self._graders, outcome)
        unit, size = list[PatientRows](), 0
        for patient in rows.patients:
            if skip >= len(patient):
                skip -= len(patient)
                continue
            if unit and size + len(patient) > PIECE:
                yield from self._stored(rows.source, unit)
                unit, size = [], 0
            has_begun = patient.name is not None and patient.name == self._done.patient
            if len(patient) > PIECE or has_begun:
                yield from self._in_parts(rows.source, patient, skip)
                skip = 0
                continue
            unit.append(patient)
            size += len(patient)
        if unit:
            yield from self._stored(rows.source, unit)

    def regraded(self, patient: str) -> Iterator[Piece]:
        """Yield pieces that grade again what is stored of a patient whose rest is given up."""
        yield from self._in_parts(pl.DataFrame({"row": []}), PatientRows(patient, ()))

    def _stored(self, source: pl.DataFrame, unit: list[PatientRows]) -> Iterator[Piece]:
        """Yield the piece of whole patients, or each in parts where it changes too many rows."""
        is_stored = False
        while not is_stored:
            basis, new = self._plan(unit)
            if sum(len(rows) for _, rows in new) > 4 * PIECE:
                for patient in unit:
                    yield from self._in_parts(source, patient)
                return
            piece = Piece(basis, self._graders, _outcome(source, unit, basis), new)
            yield piece
            is_stored = piece.is_stored

    def _in_parts(
        self, source: pl.DataFrame, patient: PatientRows, skip: int = 0
    ) -> Iterator[Piece]:
        """Yield the pieces of one patient: first all rows are stored, then they are settled.

        So the outcome of each is what holds at the end, even if others store meanwhile.
        """
        known, base, is_whole = None, None, False
        if patient.name == self._done.patient:
            base = self._done.base
        while not is_whole:
            basis, new = self._plan([patient], base)
            is_whole = True
            nothing = Outcome(source, (), basis.grader)
            for known, rows in new:
                before = known.mark[0] if base is None else base
                for part in rows.parts(PIECE):
                    piece = Piece(basis, self._graders, nothing, [(known, part)], known, before)
                    yield piece
                    is_whole = piece.is_stored
                    if not is_whole:
                        break
                    base = before
        places = [*patient.labs][skip:]
        for first, last in whole_rows(source["row"].gather(places).to_list(), PIECE):
            found = [(patient, at) for at in places[first:last]]
            outcome = Outcome(source, found, basis.grader)
            yield Piece(basis, self._graders, outcome, (), known, base)

    def _plan(
        self, unit: Sequence[PatientRows], base: int | None = None
    ) -> tuple[Basis, list[tuple[Known, NewRows]]]:
        """Plan what storing patients changes; return what they are graded by, and the new rows."""
        with read_only(self._engine).begin() as connection:
            basis = self._basis(connection)
            by_name = {sent.patient: (one, sent) for one in unit if (sent := one.sent())}
            known = [sent for _, sent in by_name.values()]
            plans = plan_many(connection, basis, known, self._runtime.now(), base)
        for plan in plans:
            by_name[plan.known.name][0].take(plan.change)
        new = [(p.known, p.change.rows) for p in plans if not isinstance(p.change, RequestError)]
        return basis, new

    def _basis(self, connection: Connection) -> Basis:
        return read_basis(connection, find_study(connection, self._study), self._graders)


def _outcome(source: pl.DataFrame, patients: Sequence[PatientRows], basis: Basis) -> Outcome:
    rows = [(patient, at) for patient in patients for at in patient.labs]
    return Outcome(source, rows, basis.grader)


def whole_rows(numbers: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Yield where pieces of about ``size`` begin and end that leave equal neighbours together."""
    first = 0
    while first < len(numbers):
        last = min(first + size, len(numbers))
        while last < len(numbers) and numbers[last] == numbers[last - 1]:
            last += 1
        yield first, last
        first = last
