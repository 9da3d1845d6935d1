"""The page ``docs/columns.md``: what a graded result consists of, wherever it is read."""

from collections.abc import Iterator
from datetime import date, datetime

from toxgrade.grading.fields import FIELDS, Field, GradedResult

_HEAD = """\
# Columns of a graded result

Written by `python -m benchmarks.columns_page`; a test holds it equal to the list in
`app/toxgrade/grading/fields.py`, from which the table of grades, files, answers and FHIR are made.

API: every answer with grades; stored: of stored grades alone. Files: what `toxgrade grade`,
`toxgrade.grade` and Spark add, in this order but for `flags`, which follow `reason`; batches: only
the graded rows of a stored batch. FHIR: a component of the derived Observation. Where the study's
own range was used, `lln`, `uln` and `limit_unit` are its.

| column | type | what it holds | null | in |
|---|---|---|---|---|"""
_TYPES = {
    bool: "boolean", date: "date", datetime: "time", int: "integer", str: "text", tuple: "texts",
}  # fmt: skip


def page() -> str:
    """Return the whole page in Markdown."""
    rows = (_row(field) for field in FIELDS if field.column.shown)
    return "\n".join([_HEAD, *rows, ""])


def _row(field: Field) -> str:
    about = field.column
    where = ", ".join(_where(field))
    kind = "object" if field.name == "study_range" else _TYPES[field.kind]
    return f"| `{field.name}` | {kind} | {about.holds} | {about.null} | {where} |"


def _where(field: Field) -> Iterator[str]:
    about = field.column
    yield "API" if field.name in GradedResult.__struct_fields__ else "stored"
    if about.files:
        yield {"every": "files", "batch": "batches"}[about.files]
    if about.fhir:
        yield "FHIR"
    if about.adam:
        yield f"ADaM `{about.adam}`"


if __name__ == "__main__":
    print(page(), end="")
