"""An option that changes nothing is refused: who gives one expects something of it.

Every option of ``toxgrade grade`` is here: with files for which it would change nothing and what is
said then, or with why there are no such files.
"""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.cli.program import toxgrade
from tests.tabular import files
from toxgrade.cli.grade import arguments
from toxgrade.cli.options import Parser

_OWN = f"{','.join(files.HEADER)}\nP1,2011-04-23,ALT,130,U/L,,40\n"
_SDTM = (
    "USUBJID,LBTESTCD,LBORRES,LBORRESU,LBORNRLO,LBORNRHI,LBDTC,RFSTDTC,RFENDTC,LBBLFL\n"
    "P1,ALT,130,U/L,,40,2011-04-23,2011-01-24,2011-03-09,\n"
    "P1,ALT,30,U/L,,40,2011-01-20,2011-01-24,2011-03-09,Y\n"
)
_DM = "USUBJID,RFSTDTC,RFENDTC\nP1,2011-01-24,2011-03-09\n"

_NEVER = {
    "--output": "required", "--patients": "dates that the labs have too are refused",
    "--rejects": "a file", "--worst": "a file", "--table": "a file", "--names": "of all outputs",
    "--strict": "an exit code", "--edition": "of every grade",
    "--window": "patients without dates are told", "--interpretation": "refused if of none",
    "--format": "of every file", "--null": "of every file", "--dates": "of every file",
    "--decimal": "of every file", "--strip": "of every file", "--help": "prints",
}  # fmt: skip
"""Options that always change something, or say so themselves."""

_TOLD = {"--ranges": "which rows have no range of their own is of the data"}
"""Options of which only the rows show whether they change something: the summary says it."""

_IDLE = [
    # option and its text, the file, what is said
    (["--phase", "late"], "labs.csv", "--phase is of the toxicity table: give --table too"),
    (["--sheet", "LB"], "labs.csv", "--sheet is for a workbook or a SAS library"),
    (["--sheet", "LB"], "labs.parquet", "--sheet is for a workbook or a SAS library"),
    (["--encoding", "latin-1"], "labs.parquet", "--encoding is for CSV, TSV and XPT"),
    (["--encoding", "utf-8"], "labs.xlsx", "--encoding is for CSV, TSV and XPT"),
    (["--delimiter", ";"], "labs.ndjson", "--delimiter is for CSV and TSV"),
    (["--timezone", "Europe/Berlin"], "labs.csv", "--timezone is for Parquet"),
    (["--values", "standard"], "labs.csv", "--values standard is for SDTM LB"),
    (["--baseline", "flag"], "labs.csv", "there is no column of baseline flags"),
    (["--treatment-columns", "NO,SUCH"], "lb.csv",
     "lb.csv: --treatment-columns names columns that are not there: NO, SUCH"),
    (["--treatment-columns", "NO,SUCH", "--patients", "dm.csv"], "labs.csv",
     "dm.csv: the header needs the columns patient or USUBJID, and NO, SUCH"),
    (["--rt-from", "NO,SUCH"], "labs.csv",
     "labs.csv: --treatment-columns names columns that are not there: NO, SUCH"),
    (["--map", "unit=NO"], "lb.csv", "the mapping names columns that are not there: NO"),
    (["--map", "unit=NO"], "labs.csv", "the mapping names columns that are not there: NO"),
    (["--header-row", "2"], "labs.parquet", "--header-row is for CSV, TSV and XLSX"),
    (["--header-rows", "2"], "labs.parquet", "--header-rows is for CSV, TSV and XLSX"),
    (["--skip-rows", "1"], "labs.ndjson", "--skip-rows is for CSV, TSV and XLSX"),
    (["--century", "1950"], "labs.csv", "--century is for forms of --dates with years of two"),
    (["--fill-down", "NO"], "labs.csv", "fill-down names NO, a column that is not there"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labs.csv").write_text(_OWN)
    (tmp_path / "lb.csv").write_text(_SDTM)
    (tmp_path / "dm.csv").write_text(_DM)
    for name in ("labs.parquet", "labs.xlsx", "labs.ndjson", "labs.xpt"):
        files.EVERY_FORMAT[name](tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(("option", "file", "says"), _IDLE)
def test_an_option_that_changes_nothing(
    folder: Path, option: list[str], file: str, says: str
) -> None:
    done = toxgrade("grade", file, "-o", "out.csv", *option, cwd=folder)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert says in done.stderr
    assert not (folder / "out.csv").exists()


@pytest.mark.parametrize(
    ("range_", "says", "count"),
    [
        ("AST,,45,U/L,,", "--ranges changed nothing: each result has a range, or", 0),
        ("ALT,,45,U/L,,male", "--ranges changed nothing: each result has a range, or", 0),
        ("ALT,,45,U/L,,", "results that took their range from --ranges: 1\n", 1),
    ],
)
def test_how_many_results_took_a_range_of_the_study_is_told(
    folder: Path, range_: str, says: str, count: int
) -> None:
    """One ALT has no ULN; the patient's sex is not known."""
    (folder / "labs.csv").write_text(_OWN + "P1,2011-05-23,ALT,130,U/L,,\n")
    (folder / "ranges.csv").write_text(f"analyte,lln,uln,unit,lab,sex\n{range_}\n")
    done = toxgrade("grade", "labs.csv", "-o", "out.csv", "--ranges", "ranges.csv", cwd=folder)
    assert done.returncode == 0
    assert says in done.stderr
    manifest = json.loads((folder / "out.csv.manifest.json").read_text())
    assert manifest["counts"]["study_ranges"] == count


def test_without_ranges_nothing_is_told_of_them(folder: Path) -> None:
    done = toxgrade("grade", "labs.csv", "-o", "out.csv", cwd=folder)
    assert "range" not in done.stderr
    manifest = json.loads((folder / "out.csv.manifest.json").read_text())
    assert manifest["counts"]["study_ranges"] is None


def test_every_option_is_here() -> None:
    parser = Parser(prog="toxgrade grade")
    arguments(parser)
    options = {
        text
        for action in parser._actions
        for text in action.option_strings
        if text.startswith("--") and text != "--reading"
    }
    assert options == {*_NEVER, *_TOLD, *(option[0] for option, _, _ in _IDLE)}


@pytest.mark.parametrize(
    ("option", "file", "grades"),
    [
        # the labs' own columns hold the treatment dates
        (["--treatment-columns", "RFSTDTC,RFENDTC"], "lb.csv", ["acute 2", "baseline 0"]),
        ([], "lb.csv", ["unknown 2", "unknown 0"]),
        # a mapping adds to SDTM LB, and does not turn it off
        (["--map", "rt_start=RFSTDTC", "--map", "rt_end=RFENDTC"], "lb.csv",
         ["acute 2", "baseline 0"]),
        (["--map", "baseline=LBBLFL"], "lb.csv", ["unknown 2", "baseline 0"]),
        # what a mapping declares is a declaration too
        (["--map", "baseline=LBBLFL", "--baseline", "rule"], "lb.csv", ["unknown 2", "unknown 0"]),
        (["--baseline", "flag"], "lb.csv", ["unknown 2", "baseline 0"]),
        (["--baseline", "rule"], "lb.csv", ["unknown 2", "unknown 0"]),
        # a value that is replaced has no unit but the mapping's
        (["--map", "value=LBORRES"], "lb.csv", ["unknown ", "unknown "]),
    ],
)  # fmt: skip
def test_an_option_that_changes_something(
    folder: Path, option: list[str], file: str, grades: list[str]
) -> None:
    done = toxgrade("grade", file, "-o", "out.csv", *option, cwd=folder)
    assert done.returncode == 0, done.stderr
    out = pl.read_csv(folder / "out.csv", infer_schema=False)
    shown = out.select(pl.concat_str("phase", pl.col("grade").fill_null(""), separator=" "))
    assert shown.to_series().to_list() == grades


def test_the_layout_says_that_a_mapping_was_added(folder: Path) -> None:
    def first_line(*options: str) -> str:
        return toxgrade("grade", "lb.csv", "-o", "o.csv", *options, cwd=folder).stderr.split(":")[0]

    assert first_line() == "SDTM LB"
    assert first_line("--treatment-columns", "RFSTDTC,RFENDTC") == "SDTM LB"
    assert first_line("--map", "source_id=LBBLFL") == "SDTM LB and a mapping"


@pytest.mark.parametrize("sheet", ["Labs", "Dates"])
def test_a_sheet_is_the_labs_and_the_patients_may_be_alone(folder: Path, sheet: str) -> None:
    dates: files.Rows = [("patient", "rt_start", "rt_end"), ("P1", "2011-01-24", "2011-03-09")]
    files.xlsx(folder / "a.xlsx", {"Labs": [files.HEADER, *files.ROWS], "Notes": [("x",)]})
    files.xlsx(folder / "b.xlsx", {"Dates": dates})
    given = ("grade", "a.xlsx", "--patients", "b.xlsx", "-o", "out.csv", "--sheet", sheet)
    done = toxgrade(*given, cwd=folder)
    assert done.returncode == (0 if sheet == "Labs" else 2), done.stderr
    only_patients = ("grade", "labs.csv", "--patients", "b.xlsx", "-o", "out.csv")
    assert toxgrade(*only_patients, "--sheet", "Labs", cwd=folder).returncode == 2
    assert toxgrade(*only_patients, "--sheet", "Dates", cwd=folder).returncode == 0


@pytest.mark.parametrize(
    "option", [["--patients", "dm.csv"], ["--edition", "5.0"], ["--decimal", ","]]
)
def test_a_picture_of_a_stored_study_reads_no_files(folder: Path, option: list[str]) -> None:
    done = toxgrade("plot", "shift", "--study", "x", "-o", "a.svg", *option, cwd=folder)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--patients, --edition and how files are read go with --labs" in done.stderr
