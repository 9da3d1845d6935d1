"""``toxgrade grade``: grade lab exports, and print a summary on standard error."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from toxgrade.cli.criteria import add_interpretations
from toxgrade.cli.options import Parser, add_file_options, cleanup_on_signal, read_options
from toxgrade.cohort.definition import ReportPhase

if TYPE_CHECKING:
    from toxgrade.criteria.model import Criteria
    from toxgrade.exports.grade_file import Progress
    from toxgrade.exports.run_report import RunSummary
    from toxgrade.grading.phase import Window
    from toxgrade.grading.units import SiteNames

_SECONDS_BETWEEN_LINES = 10.0
_MAX_SHOWN = 10
_OPTIONS_FOR = {"value": "--decimal, --null", "limit": "--decimal, --null", "date": "--dates"}


@contextmanager
def progress() -> Iterator["Progress"]:
    """Show progress in one line that is rewritten; in a line every 10 s if it is no terminal."""
    start = last_shown = monotonic()
    tty = sys.stderr.isatty()

    def show(what: str, rows: int) -> None:
        nonlocal last_shown
        now = monotonic()
        if tty or now - last_shown >= _SECONDS_BETWEEN_LINES:
            last_shown = now
            text = f"{what}: {rows:,} rows, {now - start:.0f} s"
            print(f"\r{text:<60}" if tty else text, end="" if tty else "\n", file=sys.stderr)

    yield show
    if tty:
        print(f"\r{'':<60}\r", end="", file=sys.stderr)


def print_report(
    report: "RunSummary",
    criteria: "Criteria",
    rejects: Path | None,
    site: "SiteNames | None" = None,
) -> None:
    """Print the summary of a run: the few lines that a data manager may have to act on."""
    several = report.results != report.rows
    results = f" with {report.results:,} results" * several
    lines = [
        *(f"{name}: {how}" for name, how in report.read_as.items() if how != "CSV, UTF-8, commas"),
        f"{report.layout}: {report.rows:,} rows{results}, {report.patients:,} patients",
        f"{report.entries:,} gradings: {report.graded:,} decided",
        *(f"  undecided, {reason}: {n:,}" for reason, n in report.undecided.items()),
        *_unplaced(report),
        *_not_understood(report, criteria, site),
        *_of_patients(report),
    ]
    if report.headers:
        lines.append(f"repeated header rows, left out: {report.headers:,}")
    if report.filled:
        lines.append(f"results of rows that were filled down: {report.filled:,}")
    for flag, n in report.uncertain_baselines.items():
        if n:
            lines.append(f"{flag}: {n:,} gradings; {_UNCERTAIN[flag]}")
    if report.other_baselines:
        n = len(report.other_baselines)
        lines.append(f"baselines declared other than by date: {n:,}; the manifest lists them")
    lines += behind_apostrophe(report.behind_apostrophe)
    where = f" in {rejects.name}" if rejects else "; --rejects FILE lists them"
    results = f" ({report.rejected_results:,} results)" * (several and report.rejected > 0)
    lines.append(
        f"rows that could not be read: {report.rejected:,}{results}" + where * bool(report.rejected)
    )
    print("\n".join(lines), file=sys.stderr)


def behind_apostrophe(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield a line about the texts of a CSV that stand behind an apostrophe, by column."""
    if counts:
        listed = _joined([f"{name} {n:,}" for name, n in _first(counts.items())], counts)
        why = "a spreadsheet would run them as formulas; Parquet and NDJSON hold them as they are"
        yield f"texts written behind an apostrophe: {listed}; {why}"


def _unplaced(report: "RunSummary") -> Iterator[str]:
    if counts := report.phase_unknown:
        listed = ", ".join(f"{reason.replace('_', ' ')}: {n:,}" for reason, n in counts.items())
        yield f"  phase unknown: {sum(counts.values()):,} ({listed})"


def _not_understood(
    report: "RunSummary", criteria: "Criteria", site: "SiteNames | None"
) -> Iterator[str]:
    """Yield lines about names, values and dates, with what they may be."""
    from toxgrade.criteria.reader import load
    from toxgrade.exports.hints import Hints

    hints = Hints(criteria, load, site)
    if names := report.unknown_analytes:
        shown = [_counted(name, n, hints.of_analyte(name)) for name, n in _first(names.items())]
        yield f"analytes not graded (rows): {_joined(shown, names)}"
    pairs = [(u, a, n) for u, counts in report.unknown_units.items() for a, n in counts.items()]
    if pairs:
        shown = [_counted(f"{u} of {a}", n, hints.of_unit(u, a)) for u, a, n in _first(pairs)]
        yield f"units not understood (rows): {_joined(shown, pairs)}"
    if counts := report.other_specimens:
        shown = [_counted(name, n, "") for name, n in _first(counts.items())]
        yield f"specimens other than blood (rows): {_joined(shown, counts)}"
    for name in report.sign_columns:
        yield f"column {name} holds nothing but signs: is it --map comparator={name}?"
    for name in report.specimen_columns:
        yield f"column {name} names specimens that are no blood: is it --map specimen={name}?"
    for what, looks in report.unreadable.items():
        if looks:
            listed = _joined([f"{look} {n:,}" for look, n in _first(looks.items())], looks)
            yield f"{what}s not understood, by their look: {listed}; see {_OPTIONS_FOR[what]}"
    if report.other_years:
        listed = ", ".join(f"{years}: {n:,}" for years, n in report.other_years.items())
        yield f"dates of years that are not accepted, {listed}"
    if report.after_death:
        yield f"results dated after the patient's death, refused: {report.after_death:,}"
    if report.unlikely_dates:
        n, what = report.unlikely_dates, "graded, but no sign of follow-up"
        yield f"results dated more than 20 years from radiotherapy, {what}: {n:,}"


def _of_patients(report: "RunSummary") -> Iterator[str]:
    """Yield lines about patients: who is missing, alike, or without treatment dates."""
    if report.without_patient:
        what = "values" if report.results != report.rows else "rows"
        cause = "are the cells merged, or filled once per patient? see --fill-down"
        if not report.patients:
            cause = "is the patient in another column? see --map"
        elif report.filled:
            cause = "nothing above them says whose they are"
        yield f"no patient: {report.without_patient:,} {what}; {cause}"
    if report.look_alikes:
        n = report.look_alikes
        yield f"patients who differ from another only by case, blanks or a final .0: {n:,}"
    if report.dates_from not in (None, ("rt_start", "rt_end")):
        yield f"treatment dates: {' and '.join(report.dates_from or ())} of the labs"
    if report.without_dates:
        yield f"patients without treatment dates, in no table: {report.without_dates:,}"


_UNCERTAIN = {
    "baseline-ambiguous": "several results of the baseline's day, without times, give other grades",
    "baseline-may-differ": "a result without a full date may be later than the baseline",
}

_T = TypeVar("_T")


def _first(items: Iterable[_T]) -> list[_T]:
    return list(items)[:_MAX_SHOWN]


def _joined(shown: list[str], of: Sized) -> str:
    return ", ".join(shown) + ", …" * (len(of) > len(shown))


def _counted(name: str, rows: int, hint: str) -> str:
    return f"{name or '(empty)'} {rows:,}" + f" ({hint})" * bool(hint)


def arguments(parser: Parser) -> None:
    parser.runs(grade).usage = "%(prog)s labs [labs ...] --output OUTPUT [options]"
    add = parser.add_argument
    add("labs", nargs="+", help="lab exports: files, patterns, - for standard input")
    add(
        "--output", "-o", type=Path, required=True,
        help=".csv, .tsv, .ndjson, .parquet; - for standard output",
    )  # fmt: skip
    add("--patients", type=Path, help="dates: patient, rt_start, rt_end, died if known; or SDTM DM")
    add("--ranges", type=Path, help="reference ranges of the study, for rows without one")
    add("--rejects", type=Path, help="rows that could not be read")
    add("--worst", type=Path, help="worst grades per patient and term")
    add("--table", type=Path, help="the toxicity table: .csv, .json or .html")
    add("--phase", choices=get_args(ReportPhase), help="of the table (acute)")
    add("--names", choices=("own", "adam"), default="own", help="of our columns (%(default)s)")
    add("--strict", action="store_true", help="exit with 1 if a row was rejected")
    _rules(parser)
    add_file_options(parser)


def _rules(parser: Parser) -> None:
    group = parser.add_argument_group("how results are graded")
    add = group.add_argument
    add("--edition", default="4.03", help="the edition of CTCAE (%(default)s)")
    add(
        "--window", default="paper",
        help="paper, rtog90, end90, or such as end+3m, start+90d (%(default)s)",
    )  # fmt: skip
    add_interpretations(group)


@cleanup_on_signal()
def grade(
    labs: list[str], output: Path, patients: Path | None, ranges: Path | None,
    rejects: Path | None, worst: Path | None, table: Path | None, phase: ReportPhase | None,
    names: Literal["own", "adam"], strict: bool, edition: str, window: str,
    interpretations: list[str], **files: object,
) -> int:  # fmt: skip
    """Grade lab exports; every row comes out, with its grades or the reason why not."""
    # polars' allocator reads this when polars is imported, and then keeps freed memory for reuse:
    # that saves 5 % of the CPU time and takes no more memory.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:2,dirty_decay_ms:5000")
    from toxgrade.cli.criteria import changed_rules
    from toxgrade.criteria.reader import load
    from toxgrade.errors import RequestError
    from toxgrade.exports.grade_file import grade_file
    from toxgrade.exports.run_report import GradeFileRequest
    from toxgrade.grading.rules import Graders, Rules

    if phase is not None and table is None:
        raise RequestError("--phase is of the toxicity table: give --table too")
    graders = Graders(load(only=edition))
    rules = changed_rules(
        Rules(window=_window(window)), graders.criteria.edition(edition), interpretations
    )
    options = read_options(files)
    rules = replace(
        rules, dictionary=options.columns.site_names(graders.criteria.analytes.values())
    )
    request = GradeFileRequest(
        tuple(labs), output, rules, patients, rejects, worst, table, phase or "acute", options,
        names, ranges,
    )  # fmt: skip
    with progress() as show:
        report = grade_file(request, graders, show)
    print_report(report, graders.criteria, rejects, rules.dictionary)
    return 1 if strict and report.rejected else 0


def _window(text: str) -> "Window":
    """Return the window that ``--window`` names."""
    from toxgrade.errors import ParseError, RequestError
    from toxgrade.grading.phase import read_window

    try:
        return read_window(text)
    except ParseError as error:
        raise RequestError(f"--window: {error}") from None
