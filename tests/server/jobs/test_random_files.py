"""Whatever a file holds and its sender declares: it is graded, or refused on purpose; and a batch
of it is stored with the same rows.
"""

import random
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import NewDatabase
from tests.server.jobs.stored import GRADERS
from toxgrade.errors import ToxgradeError
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Rules
from toxgrade.server.jobs.chunk import StoredChunk
from toxgrade.server.jobs.partition import Partition
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.runtime import MACHINE
from toxgrade.tabular.declared_options import parse_options
from toxgrade.tabular.mapping import OURS
from toxgrade.tabular.read_options import ReadOptions

_CELLS = {
    "patient": ("P1", "P2", "P 3", ""),
    "collected": ("2011-04-23", "2011-01-20", "23.04.2011", "2011"),
    "analyte": ("ALT", "TBIL", "WBC", "creatinine", "lead"),
    "value": ("1.8", "1,8", "<5", "90", "n.b.", ""),
    "unit": ("U/L", "mg/dL", "10*9/L", ""),
    "lln": ("", "4", "0,2", "0"),
    "uln": ("40", "1.2", "x", ""),
    "rt_start": ("2011-01-24", ""),
    "rt_end": ("2011-03-09", ""),
    "baseline": ("Y", "", "N"),
    "status": ("final", "", "corrected", "weird"),
}
_ANY = ("P1", "2011-04-23", "ALT", "1,8", "", '"', "=1", "ä", "x" * 300, "Y")
_MORE = ("row", "in_row", "term", "stored", "note", "limit_unit", "source_id", *list(_CELLS)[7:])
_WORDS = {
    "decimal": (",", "."), "dates": ("%d.%m.%Y", "%d.%m.%Y %H:%M"), "null": ("n.b.", "x"),
    "delimiter": (";", ",", "tab", "|"), "values": ("standard",), "baseline": ("flag", "rule"),
    "rt_from": ("note,term",), "encoding": ("latin-1", "utf-16"), "map": ("patient=note",),
}  # fmt: skip


class _File:
    """A made-up export in ``folder``, and how it is said to be read."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._chance = random.Random(seed)
        self.labs, self.patients = folder / "labs.csv", folder / "patients.csv"
        delimiter = self._chance.choice(",;\t")
        header = [*list(_CELLS)[:7], *self._some(_MORE, 5)]
        self._chance.shuffle(header)
        if self._chance.random() < 0.2:
            header = header[2:]
        rows = [header, *(list(map(self._cell, header)) for _ in range(self._chance.randint(0, 5)))]
        quoted = ('"' + cell.replace('"', '""') + '"' for row in rows for cell in row)
        cells = iter(quoted)
        lines = (delimiter.join(next(cells) for _ in row) for row in rows)
        self.labs.write_text("\n".join(lines) + "\n", "utf-8")
        self.patients.write_text("patient,rt_start,rt_end\nP1,2011-01-24,2011-03-09\n")
        words = [(name, self._chance.choice(_WORDS[name])) for name in self._some(tuple(_WORDS), 3)]
        self.has_patients = self._chance.random() < 0.5
        self._words, self._mapping = words, self._a_mapping(header)

    def options(self) -> ReadOptions:
        return parse_options(self._words, ("mapping", self._mapping.encode()))

    def _some(self, of: tuple[str, ...], most: int) -> list[str]:
        return self._chance.sample(of, self._chance.randint(0, most))

    def _cell(self, name: str) -> str:
        usual = _CELLS.get(name, _ANY)
        return self._chance.choice(usual if self._chance.random() < 0.95 else _ANY)

    def _a_mapping(self, header: list[str]) -> str:
        kind = self._chance.random()
        if kind < 0.1:
            pairs = (f'{ours} = "{self._chance.choice(header)}"' for ours in self._some(OURS, 4))
            return "\n".join(("[columns]", *pairs))
        if kind < 0.2:
            pairs = (f'{ours} = "{self._chance.choice(_CELLS["uln"])}"'
                     for ours in self._some(OURS, 3))  # fmt: skip
            return "\n".join(("[constants]", *pairs))
        if kind < 0.3:
            return f'[[wide]]\ncolumn = "{self._chance.choice(header)}"\nanalyte = "ALT"\n'
        return ""


@pytest.mark.parametrize("seed", range(200))
def test_it_is_graded_or_refused_on_purpose(tmp_path: Path, seed: int) -> None:
    file = _File(seed, tmp_path)
    output, rejects, worst = (tmp_path / name for name in ("out.csv", "rejects.csv", "worst.csv"))
    patients = file.patients if file.has_patients else None
    try:
        options = file.options()
        batch = GradeFileRequest(
            (str(file.labs),), output, Rules(), patients, rejects, worst, options=options
        )
        report = grade_file(batch, GRADERS)
    except ToxgradeError:
        assert set(tmp_path.iterdir()) == {file.labs, file.patients}
        return
    assert report.results <= report.entries
    assert {output, rejects, worst} <= set(tmp_path.iterdir())


@pytest.fixture(scope="module")
def database(new_sqlite: NewDatabase) -> str:
    return new_sqlite()


@pytest.mark.parametrize("seed", range(1000, 1100))
def test_it_is_stored_or_refused_on_purpose(tmp_path: Path, database: str, seed: int) -> None:
    file, engine = _File(seed, tmp_path), build_engine(database)
    try:
        parts = Partition(tmp_path, file.options())
        rows = parts.write(file.labs, file.patients if file.has_patients else None).rows
    except ToxgradeError:
        return
    for number, size in enumerate(rows):
        frame = pl.concat(parts.read(number))
        found = []
        for piece in StoredChunk([frame], engine, MACHINE, "default", GRADERS).pieces():
            with begin(engine, MACHINE) as transaction:
                transaction.pop_written()
                piece.store(transaction)
            piece.is_stored = True
            found.append(piece.outcome.frame())
        graded = pl.concat(found)
        assert len(frame) == size <= len(graded)
        assert graded["row"].n_unique() == frame["row"].n_unique()
    engine.dispose()
