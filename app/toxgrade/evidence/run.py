"""All checks, one after the other, in a scratch database that is thrown away."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from toxgrade.criteria.reader import describe, load
from toxgrade.demo.load import STUDY, load_demo
from toxgrade.errors import ToxgradeError
from toxgrade.evidence.cases import check_cases
from toxgrade.evidence.cohort import check_cohort
from toxgrade.evidence.installed import installed
from toxgrade.evidence.outcome import Outcome
from toxgrade.grading.grader import Graders
from toxgrade.server.records.audit_verify import heads, verify
from toxgrade.server.records.db.engine import transaction, upgrade


def validate() -> dict[str, Any]:
    """Run every check on the software as it is installed.

    Returns the report: ``passed``, ``at`` (UTC), ``software`` (versions, hashes), ``criteria`` (the
    editions' hashes) and ``checks``, each with ``name``, ``says``, ``checked``, ``passed`` and
    ``failures``. A check that raises has failed; the others still run.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    outcomes = _attempt("criteria", check_criteria)
    if all(outcome.passed for outcome in outcomes):
        graders = Graders(load())
        outcomes += _attempt("cases", lambda: check_cases(graders))
        outcomes += _attempt("scratch database", lambda: _in_scratch_database(graders))
    return {
        "passed": all(outcome.passed for outcome in outcomes),
        "at": at,
        "software": installed(),
        "criteria": {name: edition.sha256 for name, edition in load().editions.items()},
        "checks": [
            {
                "name": outcome.name,
                "says": outcome.says,
                "checked": outcome.checked,
                "passed": outcome.passed,
                "failures": outcome.failures,
            }
            for outcome in outcomes
        ],
    }


def check_criteria() -> list[Outcome]:
    """Read every criteria file: the reader refuses what is incomplete or contradicts itself."""
    says = "; ".join(describe(load()))
    return [Outcome("criteria: every file is complete", says, len(load().editions))]


def _in_scratch_database(graders: Graders) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="toxgrade-validate-") as folder:
        url = f"sqlite:///{Path(folder) / 'scratch.db'}"
        upgrade(url)
        load_demo(url)
        with transaction(url) as connection:
            cohort = check_cohort(connection, graders)
            return [*cohort, *check_audit(connection), check_database(connection)]


def check_audit(connection: Connection) -> list[Outcome]:
    """The audit of what was just stored holds; and a grade changed behind its back is found."""
    entries = sum(seq for seq, _ in heads(connection).values())
    whole = [str(broken) for broken in verify(connection)]
    changed = _change_a_grade(connection)
    found = [broken for broken in verify(connection) if broken.study == STUDY]
    missed = [] if found else ["a changed grade was not found"]
    return [
        Outcome("audit: whole", "every entry, and every row that it covers", entries, whole),
        Outcome("audit: tampering", "one grade changed in the file is found", changed, missed),
    ]


def _change_a_grade(connection: Connection) -> int:
    """What somebody with the file in hand could do: take away the fence, then change a row."""
    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'grades'"
    for name in connection.scalars(text(triggers)).all():
        connection.execute(text(f'DROP TRIGGER "{name}"'))
    raised = "UPDATE grades SET grade = coalesce(grade, 0) + 1"
    last = f"{raised} WHERE id = (SELECT max(id) FROM grades)"
    return connection.execute(text(last)).rowcount


def check_database(connection: Connection) -> Outcome:
    """SQLite's own check of the scratch file, and its foreign keys."""
    found = list(connection.scalars(text("PRAGMA integrity_check")))
    orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    failures = [str(line) for line in found if line != "ok"] + [str(row[0]) for row in orphans]
    return Outcome("database: whole", "integrity_check and foreign_key_check", len(found), failures)


def _attempt(name: str, check: Callable[[], list[Outcome]]) -> list[Outcome]:
    try:
        return check()
    except ToxgradeError as error:
        return [Outcome(name, "could not be run", 0, [str(error)])]
    except Exception as error:  # a report that says so is worth more than a traceback
        return [Outcome(name, "could not be run", 0, [type(error).__name__])]
