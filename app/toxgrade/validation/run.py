"""The validation run: all checks of the installed software, and the dated report on them."""

import hashlib
import json
import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import requires, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypedDict

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection, text

from toxgrade import __version__
from toxgrade.criteria.reader import describe, load
from toxgrade.criteria.vocabulary import check_vocabularies, load_vocabularies
from toxgrade.demo import STUDY, load_demo
from toxgrade.errors import ToxgradeError
from toxgrade.grading.rules import Graders
from toxgrade.server.records.audit_verify import heads, verify
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.tabular.whole_file import whole
from toxgrade.validation.checks import Outcome, check_cases, check_cohort

_TEMPLATES = Environment(
    loader=PackageLoader("toxgrade.validation", ""), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


class Software(TypedDict):
    """Versions of this software, of Python and dependencies, and SHA-256 of our files."""

    toxgrade: str
    python: str
    platform: str
    dependencies: dict[str, str]
    sha256: dict[str, str]


class Check(TypedDict):
    """One check, as in ``Outcome``."""

    name: str
    says: str
    checked: int
    passed: bool
    failures: list[str]


class Report(TypedDict):
    """The report of a run: ``at`` is in UTC, ``criteria`` has the SHA-256 of each edition."""

    passed: bool
    at: str
    software: Software
    criteria: dict[str, str]
    checks: list[Check]


def installed() -> Software:
    """Return what is installed."""
    return {
        "toxgrade": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "dependencies": {name: version(name) for name in _dependencies()},
        "sha256": {
            name: hashlib.sha256(file.read_bytes()).hexdigest()
            for name, file in sorted(_files(files("toxgrade"), "toxgrade"))
        },
    }


def _dependencies() -> list[str]:
    """Return the names of the direct dependencies of what grades and of the service."""
    needed = (re.split(r"; extra == ", line) for line in requires("toxgrade") or ())
    of_service = [line for line, *extra in needed if extra in ([], ["'server'"], ['"server"'])]
    return sorted(re.split(r"[\[<>=!~; ]", line)[0] for line in of_service)


def _files(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _files(item, f"{name}/{item.name}")
        elif not item.name.endswith(".pyc"):
            yield f"{name}/{item.name}", item


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write ``toxgrade-validation-DATE.html`` and ``.json`` to a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"toxgrade-validation-{report['at'].replace(':', '')[:17]}"
    page = _TEMPLATES.get_template("report.html").render(report)
    texts = {".html": page, ".json": json.dumps(report, indent=1, ensure_ascii=False) + "\n"}
    written = []
    for suffix, content in texts.items():
        path = folder / f"{name}{suffix}"
        with whole(path) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
        written.append(path)
    return written


def validate() -> Report:
    """Run every check on the installed software and return the report.

    A check that raises has failed; without valid criteria the others do not run.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    outcomes = _attempt("criteria", check_criteria)
    hashes: dict[str, str] = {}
    if all(outcome.passed for outcome in outcomes):
        graders = Graders(load())
        hashes = {name: one.sha256 for name, one in graders.criteria.editions.items()}
        outcomes += _attempt("cases", lambda: check_cases(graders))
        outcomes += _attempt("scratch database", lambda: _in_scratch_database(graders))
    return {
        "passed": all(outcome.passed for outcome in outcomes),
        "at": at,
        "software": installed(),
        "criteria": hashes,
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
    """Load every criteria file; the reader raises where one is incomplete or contradicts itself."""
    criteria = load()
    check_vocabularies(criteria, load_vocabularies())
    says = "; ".join(describe(criteria))
    return [Outcome("criteria: every file is complete", says, len(criteria.editions))]


def _in_scratch_database(graders: Graders) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="toxgrade-validate-") as folder:
        url = f"sqlite:///{Path(folder) / 'scratch.db'}"
        upgrade(url)
        load_demo(url)
        with transaction(url) as opened:
            connection = opened.connection
            cohort = check_cohort(connection, graders)
            return [*cohort, *check_audit(connection), check_database(connection)]


def check_audit(connection: Connection) -> list[Outcome]:
    """Check that the audit verifies, and that it shows a grade changed directly in the database."""
    now = datetime.now(UTC)
    entries = sum(seq for seq, _ in heads(connection).values())
    whole = [str(remark) for remark in verify(connection, now) if remark.is_fault]
    changed = _change_a_grade(connection)
    found = [remark for remark in verify(connection, now) if remark.study == STUDY]
    missed = [] if found else ["a changed grade was not found"]
    return [
        Outcome("audit: whole", "every entry, and every row that it covers", entries, whole),
        Outcome("audit: tampering", "one grade changed in the file is found", changed, missed),
    ]


def _change_a_grade(connection: Connection) -> int:
    """Change a grade as anyone with the database file could: drop the triggers, then update."""
    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'grades'"
    for name in connection.scalars(text(triggers)).all():
        connection.execute(text(f'DROP TRIGGER "{name}"'))
    raised = "UPDATE grades SET grade = coalesce(grade, 0) + 1"
    last = f"{raised} WHERE id = (SELECT max(id) FROM grades)"
    return connection.execute(text(last)).rowcount


def check_database(connection: Connection) -> Outcome:
    """Run SQLite's own checks of the scratch database: integrity and foreign keys."""
    found = list(connection.scalars(text("PRAGMA integrity_check")))
    orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    failures = [str(line) for line in found if line != "ok"] + [str(row[0]) for row in orphans]
    return Outcome("database: whole", "integrity_check and foreign_key_check", len(found), failures)


def _attempt(name: str, check: Callable[[], list[Outcome]]) -> list[Outcome]:
    """Run a check; return a failed outcome instead if it raises."""
    try:
        return check()
    except ToxgradeError as error:
        return [Outcome(name, "could not be run", 0, [str(error)])]
    except Exception as error:  # A report of the failure is worth more than a traceback.
        return [Outcome(name, "could not be run", 0, [type(error).__name__])]
