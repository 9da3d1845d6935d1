"""Uploads changed at random: each is cut, or refused in one sentence, soon and in little memory.

A hundred here; ``make bench`` changes some thousands.
"""

import gzip
import io
import random
import resource
import time
import zipfile
from pathlib import Path

import pytest
import zstandard

from tests.conftest import FULL
from tests.tabular import files
from toxgrade.server.jobs.cutting_process import CutAnswer, CutOrder, answer
from toxgrade.tabular.declared_options import as_json
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import ReadOptions

_CHANGED = 600 if FULL else 12
_SECONDS = 20  # A busy machine is given as long; most take 0.05 s.
_FORMATS = (
    "labs.csv", "unicode.csv", "labs.csv.gz", "labs.csv.zst", "labs.ndjson",
    "labs.parquet", "typed.parquet", "labs.xlsx", "labs.xpt",
)  # fmt: skip
_UPPER = as_json(ReadOptions(columns=ColumnMap({name: name.upper()[:8] for name in files.HEADER})))


def _changed(content: bytes, chance: random.Random) -> bytes:
    """Cut anywhere, a piece doubled, left out or zeroed, or bytes changed: often to extremes."""
    bad = bytearray(content)
    at = chance.randrange(len(bad))
    match chance.randrange(6):
        case 0:
            return bytes(bad[:at])
        case 1:
            bad[at:at] = bad[at : at + chance.choice((1, 8, 80, 500))]
        case 2:
            del bad[at : at + chance.choice((1, 8, 80))]
        case 3:
            bad[at : at + 8] = chance.choice((b"\xff", b"\x00", b"\x7f", b"9")) * 8
    for _ in range(chance.choice((1, 1, 2, 5, 30)) if bad else 0):
        bad[chance.randrange(len(bad))] = chance.choice(
            (0, 1, 127, 128, 255, chance.randrange(256))
        )
    return bytes(bad)


def _changed_at_once(_: str, content: bytes, chance: random.Random) -> bytes:
    return _changed(content, chance)


def _changed_within(name: str, content: bytes, chance: random.Random) -> bytes:
    """Changed behind the checksum: a part of a workbook, or the text that was compressed."""
    if name.endswith(".gz"):
        return gzip.compress(_changed(gzip.decompress(content), chance))
    if name.endswith(".zst"):
        return zstandard.compress(_changed(zstandard.decompress(content), chance))
    if not name.endswith(".xlsx"):
        return _changed(content, chance)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    changed = io.BytesIO()
    one = chance.choice(list(parts))
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in parts.items():
            archive.writestr(part, _changed(text, chance) if part == one else text)
    return changed.getvalue()


def _cut(folder: Path, name: str) -> CutAnswer:
    for part in folder.glob("part-*"):
        part.unlink()
    reading = _UPPER if name.endswith(".xpt") else None
    return answer(CutOrder(0, str(folder), name, None, reading, 60))


def _peak() -> int:
    """The most memory that this process ever had, in kB: other tests may have taken more."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("name", _FORMATS)
def test_a_changed_upload_is_cut_or_refused(tmp_path: Path, name: str) -> None:
    chance, refused, before = random.Random(f"upload {name}"), 0, _peak()
    files.EVERY_FORMAT[name](tmp_path / name)
    good = (tmp_path / name).read_bytes()
    assert sum(_cut(tmp_path, name).rows) == len(files.ROWS)
    for number in range(_CHANGED):
        change = _changed_within if number % 2 else _changed_at_once
        (tmp_path / name).write_bytes(change(name, good, chance))
        begun = time.monotonic()
        found = _cut(tmp_path, name)
        assert time.monotonic() - begun < _SECONDS, number
        assert (found.no_memory, found.os_error, found.unforeseen) == (False, None, None), number
        refused += found.refused is not None
    assert refused
    assert _peak() - before < 2**21, "2 GB, in kB"
