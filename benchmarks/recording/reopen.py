"""Another version on the database that a recording left: it must go on with it."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import httpx

from benchmarks.recording.asked import lab, panel
from benchmarks.recording.program import Program

_P1 = "/v1/studies/default/patients/P1"
_RESTAMPED = {"id", "supersedes_id", "recorded_at", "software", "criteria_sha256"}
"""Of a grade: another version of the software makes its own of what it grades again."""
_NEW = lab("ALT", "333", "U/L", None, "40", "2011-05-05", source_id="REOPENED")


def reopen(program_path: Path, out: Path) -> int:
    """Migrate, verify, store one more panel, read it back, verify again; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="reopened-") as name:
        folder = Path(name).resolve()
        shutil.copytree(out / "database", folder, dirs_exist_ok=True)
        program = Program(program_path.absolute(), folder)
        print(f"toxgrade {program.version()} on the database of {out}")
        good = _command(program, "db", "upgrade") and _command(program, "audit", "verify")
        with program.serving(folder / "log", TOXGRADE_AUTH="off") as address:
            good &= _stored(address)
        good &= _command(program, "audit", "verify")
    print("good" if good else "FAILED")
    return 0 if good else 1


def _command(program: Program, *words: str) -> bool:
    done = program.run(*words)
    print(
        f"toxgrade {' '.join(words)}: exit code {done.code}\n{done.out.decode()}{done.err}".strip()
    )
    return done.code == 0


def _stored(address: str) -> bool:
    """Store a panel for a patient of the recording; say whether all of it is there afterwards."""
    with httpx.Client(base_url=address, timeout=60) as client:
        before = client.get(f"{_P1}/grades?limit=1000").json()["grades"]
        answer = client.post(f"{_P1}/results", json=panel(_NEW))
        after = client.get(f"{_P1}/grades?limit=1000").json()["grades"]
        table = client.get("/v1/studies/demo/toxicity-table")
        batches = client.get("/v1/studies/five/batches").json()["batches"]
    kept = [one for one in before if _content(one) in map(_content, after)]
    new = [one for one in after if one["source_id"] == "REOPENED"]
    print(f"grades of P1: {len(before)} before, {len(kept)} of them unchanged, {len(after)} after")
    print(f"stored: {answer.status_code}; read back: {[(g['term'], g['grade']) for g in new]}")
    print(f"table of the demo: {table.status_code}; batches of five: {len(batches)}")
    whole = answer.status_code == 201 and table.status_code == 200 and bool(batches)
    return whole and len(kept) == len(before) > 0 and len(new) == 1 and new[0]["grade"] == 3


def _content(grade: dict[str, Any]) -> dict[str, Any]:
    """Return what a grade says, whichever version said it."""
    return {name: value for name, value in grade.items() if name not in _RESTAMPED}
