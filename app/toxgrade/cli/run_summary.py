"""The summary of a run over files, printed: what a data manager may have to act on."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from toxgrade.criteria.model import Criteria
    from toxgrade.exports.run_report import RunSummary
    from toxgrade.grading.units import SiteNames

_MAX_SHOWN = 10
_OPTIONS_FOR = {
    "value": "--decimal, --null, --strip", "limit": "--decimal, --null", "date": "--dates",
}  # fmt: skip


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
    if looks := report.cleaned:
        listed = _joined([f"{look}: {n:,}" for look, n in _first(looks.items())], looks)
        lines.append(f"values cleaned as declared, by their look: {listed}")
    for flag, n in report.uncertain_baselines.items():
        if n:
            lines.append(f"{flag}: {n:,} gradings; {_UNCERTAIN[flag]}")
    if report.study_ranges is not None:
        lines.append(_of_ranges(report.study_ranges))
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


def _of_ranges(results: int) -> str:
    """Return a line about the ``results`` that took their range from the file of --ranges."""
    if results:
        return f"results that took their range from --ranges: {results:,}"
    why = "each result has a range, or which one applies is not certain (lab, sex, birth_year, day)"
    return f"--ranges changed nothing: {why}"


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
