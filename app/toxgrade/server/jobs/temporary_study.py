"""A whole export stored as a batch is, in a temporary database: for reports of one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from toxgrade.cohort.definition import LIVER_ENZYMES, paper_rows
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.jobs.chunk import StoredChunk
from toxgrade.server.jobs.partition import Partition
from toxgrade.server.records.db.engine import build_engine, read_only
from toxgrade.server.records.db.transaction import begin, transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.records.studies import RowChoice, Study, find_study, save_study
from toxgrade.server.runtime import Runtime
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.spill import temporary_folder

_STUDY = "export"


@dataclass(frozen=True, slots=True)
class TemporaryStudy:
    """A stored export; ``rejected`` counts the rows that cannot be read or stored as they are."""

    connection: Connection
    study: Study
    rejected: int


@contextmanager
def temporary_study(
    labs: Path,
    patients: Path | None,
    reading: ReadOptions,
    rules: Rules,
    graders: Graders,
    runtime: Runtime,
) -> Iterator[TemporaryStudy]:
    """Store an export as a batch is stored, in a database in a temporary folder.

    The study's toxicity table has the paper's laboratory rows.

    Raises:
        FileError: a file cannot be used as it is.
        CriteriaError: there is no such edition.
    """
    with temporary_folder() as folder, _database_errors_as_os_errors():
        url = f"sqlite:///{folder / 'export.db'}"
        upgrade(url, runtime)
        partition, rejected = Partition(folder, reading), 0
        edition = graders.for_rules(rules).edition
        rows = tuple(  # No export has clinicians' grades: they are unknown, not 0.
            RowChoice(row.label, row.terms, row.with_baseline)
            for row in paper_rows(edition, LIVER_ENZYMES)
            if not row.clinical
        )
        with transaction(url, runtime) as opened:
            save_study(opened, _STUDY, rules, rows=rows)
        engine = build_engine(url)
        for number, _ in enumerate(partition.write(labs, patients).rows):
            chunk = StoredChunk(partition.read(number), engine, runtime, _STUDY, graders)
            for piece in chunk.pieces():
                with begin(engine, runtime) as opened:
                    piece.store(opened)
                piece.is_stored = True
                named = partition.named_columns(piece.outcome.source)
                rejected += len({reject.row for reject in piece.outcome.rejects(named)})
        with read_only(engine).begin() as connection:
            yield TemporaryStudy(connection, find_study(connection, _STUDY), rejected)
        engine.dispose()


@contextmanager
def _database_errors_as_os_errors() -> Iterator[None]:
    """Raise OSError for a database error: its cause lies in the folder that holds the file."""
    try:
        yield
    except OperationalError as error:
        raise OSError(str(error.orig)) from None
