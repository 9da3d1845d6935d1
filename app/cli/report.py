"""Reports on a stored study."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.environment import settings


def report(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A .html, .csv or .json file; - for CSV here.")
    ],
    phase: Annotated[str, typer.Option(help="acute, late or both.")] = "acute",
    course: Annotated[int, typer.Option(min=1, help="The course of radiotherapy.")] = 1,
    on_treatment: Annotated[
        bool, typer.Option(help="Count what was taken before the end of radiotherapy.")
    ] = True,
    include_baseline: Annotated[
        bool, typer.Option(help="Let the worst grade be no lower than the baseline's.")
    ] = False,
) -> None:
    """Write a study's toxicity table: how many patients had which grade."""
    from typing import get_args

    from app.batches.files import whole
    from app.cohort.document import WRITERS, table_document
    from app.cohort.scope import Report, Scope
    from app.criteria.reader import load
    from app.errors import FileError, RequestError
    from app.grading.one import Graders
    from app.records.engine import transaction
    from app.records.studies import find_study

    phases: tuple[Report, ...] = get_args(Report)
    chosen = next((known for known in phases if known == phase), None)
    if chosen is None:
        raise RequestError(f"--phase: expected {', '.join(phases)}")
    suffix = ".csv" if str(output) == "-" else output.suffix
    if suffix not in WRITERS:
        raise FileError(f"{output.name}: the report is {', '.join(WRITERS)}")
    scope = Scope(chosen, course, on_treatment, include_baseline)
    with transaction(settings().database_url, reads_only=True) as connection:
        found = find_study(connection, study)
        edition = Graders(load()).under(found.rules).edition
        text = WRITERS[suffix](table_document(connection, found, edition, scope))
    if str(output) == "-":
        sys.stdout.write(text)
        return
    with whole(output) as unfinished:
        unfinished.write_text(text, "utf-8")
