"""``toxgrade plot``: write a picture of a stored study, or of an export that is not stored."""

import sys
from argparse import SUPPRESS
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from toxgrade.cli.options import (
    Parser,
    add_file_options,
    cleanup_on_signal,
    read_options,
    settings,
    whole_number,
)
from toxgrade.cohort.definition import By, ReportPhase
from toxgrade.server.web.charts.registry import HELP, NAMES, WIDTH, ChartRequest, Name

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from toxgrade.grading.rules import Graders
    from toxgrade.server.records.studies import Study
    from toxgrade.server.web.charts.chart import Kind
    from toxgrade.tabular.read_options import ReadOptions


def arguments(parser: Parser) -> None:
    parser.runs(plot)
    add = parser.add_argument
    add("picture", help=f"{', '.join(NAMES)} or timeline")
    add("--output", "-o", type=Path, required=True, help="a .svg, .png, .pdf or .json")
    add("--study", help="a stored study")
    add("--labs", type=Path, help="or a lab export, which is not stored")
    add("--patients", type=Path, help="with --labs: treatment dates, as for grade")
    add("--edition", help="with --labs: the edition of CTCAE (4.03)")
    add("--patient", help="whose timeline")
    add(
        "--phase", choices=get_args(ReportPhase), default="acute",
        help=f"{HELP['phase']} (%(default)s)",
    )  # fmt: skip
    add("--term", help=HELP["term"])
    add("--row", dest="term", help=SUPPRESS)  # This former name is accepted until 1.0.
    add(
        "--min-grade", type=whole_number(1, 5), default=2, help=f"{HELP['min_grade']} (%(default)s)"
    )
    add("--page", type=whole_number(1, 10**6), default=1, help=f"{HELP['page']} (%(default)s)")
    add("--by", choices=get_args(By), default="uln", help=f"{HELP['by']} (%(default)s)")
    add("--width", type=whole_number(280, 1600), default=WIDTH, help="in pixels (%(default)s)")
    add_file_options(parser)


@cleanup_on_signal()
def plot(
    picture: str, output: Path, study: str | None, labs: Path | None, patients: Path | None,
    edition: str | None, patient: str | None, phase: ReportPhase, term: str | None, min_grade: int,
    page: int, width: int, by: By, **files: object,
) -> None:  # fmt: skip
    """Draw a picture of a cohort, or the timeline of one patient."""
    from toxgrade.criteria.reader import load
    from toxgrade.criteria.vocabulary import load_vocabularies
    from toxgrade.grading.rules import Graders
    from toxgrade.server.web.charts.gallery import Gallery
    from toxgrade.tabular.whole_file import whole

    name, kind = _check_picture(picture, output, patient)
    graders = Graders(load())
    gallery = Gallery(graders, load_vocabularies())
    with _open_study(study, labs, patients, read_options(files), edition, graders) as (
        connection,
        found,
    ):
        if name is not None:
            request = ChartRequest(phase, term, min_grade, page, width, by)
            chart = gallery.study(connection, found, name, request)
        else:
            chart = gallery.patient(connection, found, patient or "", width)
    with whole(output) as unfinished:
        unfinished.write_bytes(chart.drawn(kind))


def _check_picture(picture: str, output: Path, patient: str | None) -> "tuple[Name | None, Kind]":
    """Return the name of the picture (None: a timeline) and the kind of file.

    Raises:
        RequestError: there is no such picture, or ``--patient`` is missing or out of place.
        FileError: the suffix is of no kind of picture.
    """
    from toxgrade.errors import FileError, RequestError
    from toxgrade.server.web.charts.chart import MEDIA

    kind = next((kind for kind in MEDIA if f".{kind}" == output.suffix), None)
    if kind is None:
        raise FileError(f"{output.name}: a picture is a file of {', '.join(MEDIA)}")
    name = next((known for known in NAMES if known == picture), None)
    if name is None and picture != "timeline":
        raise RequestError(f"expected one of {', '.join(NAMES)}, timeline")
    if (patient is None) == (picture == "timeline"):
        raise RequestError("--patient: a timeline is of one patient, another picture of a study")
    return name, kind


@contextmanager
def _open_study(
    study: str | None, labs: Path | None, patients: Path | None, options: "ReadOptions",
    edition: str | None, graders: "Graders",
) -> "Iterator[tuple[Connection, Study]]":  # fmt: skip
    """Yield the stored study, or the export as a temporary study, with its connection."""
    from toxgrade.errors import RequestError
    from toxgrade.grading.rules import Rules
    from toxgrade.tabular.read_options import DEFAULT_OPTIONS

    if (study is None) == (labs is None):
        raise RequestError("give --study, or --labs")
    if study is not None and (patients or edition or options != DEFAULT_OPTIONS):
        raise RequestError("--patients, --edition and how files are read go with --labs")
    if labs is not None:
        from toxgrade.server.jobs.temporary_study import temporary_study
        from toxgrade.server.runtime import MACHINE

        chosen = graders.criteria.edition(edition or "4.03")
        names = options.columns.site_names(graders.criteria.analytes.values())
        rules = Rules(edition=chosen.name, dictionary=names)
        with temporary_study(labs, patients, options, rules, graders, MACHINE) as temporary:
            if temporary.rejected:
                print(f"rows that could not be read: {temporary.rejected:,}", file=sys.stderr)
            yield temporary.connection, temporary.study
        return
    from toxgrade.server.records.db.engine import snapshot
    from toxgrade.server.records.studies import find_study

    with snapshot(settings().database_url) as connection:
        yield connection, find_study(connection, study or "")
