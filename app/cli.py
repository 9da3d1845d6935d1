"""The command ``toxgrade``. Each command imports what it needs, so that ``--help`` is at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.batches.grade import Report
    from app.grading.phase import Window
    from app.settings import Settings

_app = typer.Typer(
    help="Grades laboratory toxicity per CTCAE v4.0 (release 4.03), acute or late. "
    "A clinician decides; this computes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_db = typer.Typer(help="The database.", no_args_is_help=True)
_keys = typer.Typer(help="Keys to the HTTP service.", no_args_is_help=True)
_criteria = typer.Typer(help="The criteria files.", no_args_is_help=True)
_app.add_typer(_db, name="db")
_app.add_typer(_keys, name="keys")
_app.add_typer(_criteria, name="criteria")


def main() -> None:
    """Run the command; what Toxgrade refuses on purpose ends with one line and exit code 2."""
    from app.errors import ToxgradeError

    try:
        _app()
    except ToxgradeError as error:
        sys.exit(_fail(str(error)))


def _fail(message: str) -> int:
    print(f"toxgrade: {message}", file=sys.stderr)
    return 2


def _settings(**given: object) -> "Settings":
    """The environment's settings, with what the command line gives instead."""
    from pydantic import ValidationError

    from app.settings import Settings

    try:
        return Settings.model_validate(
            Settings().model_dump() | {name: v for name, v in given.items() if v is not None}
        )
    except ValidationError as error:
        for fault in error.errors(include_input=False):
            name = "_".join(("TOXGRADE", *map(str, fault["loc"]))).upper()
            _fail(f"{name if fault['loc'] else 'settings'}: {fault['msg']}")
        sys.exit(2)


@_app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="TOXGRADE_HOST, 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="TOXGRADE_PORT, 8000")] = None,
    demo: Annotated[bool, typer.Option(help="Load the SYNTHETIC cohort as study `demo`.")] = False,
) -> None:
    """Migrate the database and serve the HTTP API."""
    import uvicorn

    from app.main import create_app
    from app.records.engine import upgrade

    settings = _settings(host=host, port=port)
    upgrade(settings.database_url)
    if demo:
        from app.demo.load import load_demo

        load_demo(settings.database_url)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port)


@_app.command()
def grade(
    labs: Annotated[Path, typer.Argument(help="A CSV file: own columns, or SDTM LB.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .csv or .parquet file.")],
    patients: Annotated[Path | None, typer.Option(help="CSV: patient, rt_start, rt_end.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Rows that could not be read.")] = None,
    edition: Annotated[str, typer.Option(help="The edition of CTCAE.")] = "4.03",
    window: Annotated[
        str, typer.Option(help="paper, rtog90, end90, or such as end+3m, start+90d.")
    ] = "paper",
    strict: Annotated[bool, typer.Option(help="Exit with 1 if a row was rejected.")] = False,
) -> None:
    """Grade a lab export; every row comes out, with its grades or the reason why not."""
    from app.batches.grade import Batch, grade_file
    from app.criteria.reader import load
    from app.grading.one import Graders
    from app.grading.rules import Rules

    rules = Rules(edition, _window(window))
    batch = Batch(labs, output, rules, patients, rejects)
    report = grade_file(batch, Graders(load()))
    _print_report(report, rejects)
    if strict and report.rejected:
        raise typer.Exit(1)


def _window(text: str) -> "Window":
    """``end+3m`` or ``start+90d``, or the name of a preset."""
    import re

    from app.errors import RequestError
    from app.grading.phase import PRESETS, Window

    match = re.fullmatch(r"(end|start)\+([0-9]{1,4})([md])", text)
    if text in PRESETS:
        return PRESETS[text]
    try:
        if match is None:
            raise ValueError("not a window")
        length = {"m": "months", "d": "days"}[match[3]]
        return Window(match[1], **{length: int(match[2])})  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(PRESETS)
        raise RequestError(f"--window: expected {known}, or such as end+3m, start+90d") from None


def _print_report(report: "Report", rejects: Path | None) -> None:
    """What came of it, on standard error: a few lines a data manager acts on."""
    lines = [
        f"{report.layout}: {report.rows:,} rows, {report.patients:,} patients",
        f"{report.entries:,} gradings: {report.graded:,} decided",
        *(f"  undecided, {reason}: {n:,}" for reason, n in report.undecided.items()),
    ]
    for what, counts in (
        ("analytes not graded", report.unknown_analytes),
        ("units not understood", report.unknown_units),
    ):
        if counts:
            shown = ", ".join(f"{name or '(empty)'} {n:,}" for name, n in list(counts.items())[:10])
            lines.append(f"{what} (rows): {shown}{', …' if len(counts) > 10 else ''}")
    if report.without_dates:
        lines.append(f"patients without treatment dates, phase unknown: {report.without_dates:,}")
    where = f" in {rejects.name}" if rejects else "; --rejects FILE lists them"
    lines.append(
        f"rows that could not be read: {report.rejected:,}" + where * bool(report.rejected)
    )
    print("\n".join(lines), file=sys.stderr)


@_db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the latest migration."""
    from app.records.engine import upgrade

    upgrade(_settings().database_url)


@_keys.command("create")
def keys_create(label: Annotated[str, typer.Argument(help="Whose key it is.")]) -> None:
    """Make a key; it is shown once and only its hash is kept."""
    from app.access.keys import create_key
    from app.records.engine import transaction, upgrade

    url = _settings().database_url
    upgrade(url)
    with transaction(url) as connection:
        print(create_key(connection, label))


@_criteria.command("check")
def criteria_check() -> None:
    """Read the criteria files; say what they hold, or what is wrong with them."""
    from app.criteria.reader import describe, load

    print("\n".join(describe(load())))
