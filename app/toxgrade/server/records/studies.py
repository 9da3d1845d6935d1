"""Studies: their rules with history, and the names of their patients."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from toxgrade.cohort.definition import LIVER_ENZYMES
from toxgrade.errors import FieldFault, NotFound, RequestError
from toxgrade.grading.rules import Rules
from toxgrade.server.records.db.append import append, append_now
from toxgrade.server.records.db.direct import Prepared
from toxgrade.server.records.db.newest import newest_first
from toxgrade.server.records.db.tables import patients, studies, study_rules
from toxgrade.server.records.db.transaction import Transaction

STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PATIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")
NO_SUCH_STUDY = "there is no such study; PUT /v1/studies/{study} creates one"


@dataclass(frozen=True, slots=True)
class RowChoice:
    """A row of a study's own toxicity table: the highest grade of the CTCAE terms ``terms``.

    ``with_baseline``: the table shows the baseline grades too, in a second row.
    """

    label: str
    terms: tuple[str, ...]
    with_baseline: bool = False


@dataclass(frozen=True, slots=True)
class Study:
    """A study with its rules and choices.

    ``synthetic`` marks demonstration data. ``rows`` None means the toxicity table of the paper.
    ``clinical_terms``: those that every patient was asked about, so that no event means grade 0.
    """

    id: int
    name: str
    synthetic: bool
    rules: Rules
    liver_enzymes: tuple[str, ...] = LIVER_ENZYMES
    rows: tuple[RowChoice, ...] | None = None
    clinical_terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved study, whether it is new, and whether the grading rules of an old one changed."""

    study: Study
    is_new: bool
    rules_changed: bool


_RULES = (
    select(study_rules.c.rules)
    .where(study_rules.c.study_id == studies.c.id)
    .order_by(newest_first(study_rules))
    .limit(1)
    .scalar_subquery()
)
_NAMED = studies.c.name == bindparam("of_name")
_LOCK = {
    to_change: Prepared(select(studies.c.id).where(_NAMED).with_for_update(read=not to_change))
    for to_change in (False, True)
}
_WITH_RULES = Prepared(
    select(studies.c.id, studies.c.name, studies.c.synthetic, _RULES).where(_NAMED)
)


def find_study(connection: Connection, name: str) -> Study:
    """Return the study of that name with its current rules.

    Raises:
        NotFound: there is no such study.
    """
    row = _WITH_RULES.first(connection, {"of_name": name})
    if row is None:
        raise NotFound(NO_SUCH_STUDY)
    return _study(*row)


def rules_of(connection: Connection, name: str) -> Rules:
    """Return the rules of the study of that name; the default ones if there is none."""
    try:
        return find_study(connection, name).rules
    except NotFound:
        return Rules()


def lock_study(transaction: Transaction, name: str, *, to_change: bool = False) -> Study:
    """Lock the study's rules until the transaction ends, and return the study.

    The lock is shared for storing and exclusive with ``to_change``. It takes a statement of its
    own, because a query that waits for a lock still reads the rules as they were before.

    Raises:
        NotFound: there is no such study.
    """

    def lock(connection: Connection) -> Study:
        if connection.dialect.name != "sqlite":  # There only one transaction writes at a time.
            transaction.lock(_LOCK[to_change], {"of_name": name})
        return find_study(connection, name)

    if to_change:
        transaction.cache.pop((studies, name), None)
    return transaction.read_once((studies, name), lock)


def list_studies(
    connection: Connection, is_visible: Callable[[str], bool], limit: int, after: str | None = None
) -> list[Study]:
    """Return up to ``limit`` studies whose names are visible, by name, after ``after`` if given."""
    names = select(studies.c.name).order_by(studies.c.name)
    if after is not None:
        names = names.where(studies.c.name > after)
    visible = filter(is_visible, connection.scalars(names))
    return [find_study(connection, name) for name in [*islice(visible, limit)]]


def save_study(
    transaction: Transaction,
    name: str,
    rules: Rules,
    liver_enzymes: Sequence[str] = LIVER_ENZYMES,
    rows: tuple[RowChoice, ...] | None = None,
    clinical_terms: Sequence[str] = (),
    *,
    synthetic: bool = False,
) -> Saved:
    """Create the study, or give it new rules and choices; unchanged ones are not stored again.

    Raises:
        RequestError: a study may not have this name.
    """
    if not STUDY_NAME.fullmatch(name):
        fault = FieldFault(("study",), "study-name", f"expected {STUDY_NAME.pattern}")
        raise RequestError("a study cannot have this name", [fault])
    is_new, now = False, transaction.runtime.now()
    try:
        before = lock_study(transaction, name, to_change=True)
    except NotFound:
        row = {"name": name, "synthetic": synthetic, "recorded_at": now}
        append_now(transaction, studies, row)
        before = find_study(transaction.read(), name)
        is_new = True
    new = replace(
        before,
        rules=rules,
        liver_enzymes=tuple(liver_enzymes),
        rows=rows,
        clinical_terms=tuple(clinical_terms),
    )
    if new != before:
        row = {"study_id": new.id, "rules": _document(new), "recorded_at": now}
        append(transaction, study_rules, [row])
    return Saved(new, is_new, not is_new and before.rules != rules)


def list_patients(connection: Connection, study: Study, limit: int, after: str | None) -> list[str]:
    """Return up to ``limit`` patients of a study by name, after the name ``after`` if given."""
    query = select(patients.c.name).where(patients.c.study_id == study.id)
    if after is not None:
        query = query.where(patients.c.name > after)
    return list(connection.scalars(query.order_by(patients.c.name).limit(limit)))


def _document(study: Study) -> str:
    """Return a study's rules and choices as the JSON that is stored; ``_study`` reads it."""
    rows = None if study.rows is None else [asdict(row) for row in study.rows]
    document = {"liver_enzymes": list(study.liver_enzymes), "rows": rows}
    if study.clinical_terms:  # Without any, what studies stored before stays the same.
        document["clinical_terms"] = list(study.clinical_terms)
    return json.dumps(study.rules.document() | document)


def page_of_patients(connection: Connection, study: Study, limit: int, skip: int) -> list[str]:
    """Return up to ``limit`` patients of a study by name, after the first ``skip``."""
    names = select(patients.c.name).where(patients.c.study_id == study.id)
    return list(connection.scalars(names.order_by(patients.c.name).limit(limit).offset(skip)))


def count_patients(connection: Connection, study: Study) -> int:
    """Return the number of patients of a study."""
    query = select(func.count()).where(patients.c.study_id == study.id)
    return int(connection.scalars(query).one())


def _study(row_id: int, name: str, synthetic: bool, stored: str | None) -> Study:
    if stored is None:
        return Study(row_id, name, synthetic, Rules())
    document = json.loads(stored)
    enzymes = tuple(document.pop("liver_enzymes"))
    rows = document.pop("rows", None)  # Rows that version 0.1 stored lack it.
    chosen = None if rows is None else tuple(_row(choice) for choice in rows)
    terms = tuple(document.pop("clinical_terms", ()))
    rules = Rules.from_document(document)
    return Study(row_id, name, synthetic, rules, enzymes, chosen, terms)


def _row(document: dict[str, Any]) -> RowChoice:
    return RowChoice(document["label"], tuple(document["terms"]), document["with_baseline"])
