"""Timestamps that are instants become calendar dates in a declared zone; no other ever changes."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

import toxgrade
from tests.server.jobs.stored import GRADERS
from tests.tabular import files
from toxgrade.errors import FileError, ParseError
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Rules
from toxgrade.tabular.lab_export import open_labs
from toxgrade.tabular.read_options import ReadOptions

_BERLIN = "Europe/Berlin"
_MIDNIGHT_BERLIN = datetime(2011, 1, 23, 23, tzinfo=UTC)  # of 24 January there
_EVENING_NEW_YORK = datetime(2011, 1, 25, 1, tzinfo=UTC)  # of 24 January there
_MIDNIGHT_UTC = datetime(2011, 1, 24, tzinfo=UTC)


def _lab(collected: Any) -> dict[str, Any]:
    return dict(zip(files.HEADER, ("P1", collected, "ALT", "50", "U/L", None, "40"), strict=True))


def _parquet(path: Path, frame: pl.DataFrame) -> None:
    frame.write_parquet(path)


def _parquet_int96(path: Path, frame: pl.DataFrame) -> None:
    """As Spark and Hive write it unless told otherwise."""
    table = pa.table({name: frame[name].to_arrow() for name in frame.columns})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)


def _days(path: Path, folder: Path, timezone: str | None) -> list[str]:
    labs = open_labs([path], folder, ReadOptions(timezone=timezone))
    texts = [text for chunk in labs.chunks() for text in chunk.rows["collected"]]
    return [text[:10] for text in texts]


@pytest.mark.parametrize("write", [_parquet, _parquet_int96])
@pytest.mark.parametrize(
    ("collected", "timezone", "day"),
    [
        (_MIDNIGHT_BERLIN, _BERLIN, "2011-01-24"),
        (_EVENING_NEW_YORK, "America/New_York", "2011-01-24"),
        (_MIDNIGHT_BERLIN, "UTC", "2011-01-23"),
        (_MIDNIGHT_UTC, None, "2011-01-24"),  # nobody draws at 00:00:00 all the time: dates
        (_MIDNIGHT_BERLIN, None, None),  # refused
    ],
)
def test_an_instant_has_the_date_of_the_declared_zone(
    tmp_path: Path, write: Callable[[Path, pl.DataFrame], None], collected: datetime,
    timezone: str | None, day: str | None,
) -> None:  # fmt: skip
    write(tmp_path / "labs.parquet", pl.DataFrame([_lab(collected)]))
    if day is None:
        with pytest.raises(FileError, match=r"labs.parquet: the column collected holds instants"):
            _days(tmp_path / "labs.parquet", tmp_path, timezone)
    else:
        assert _days(tmp_path / "labs.parquet", tmp_path, timezone) == [day]


@pytest.mark.parametrize("timezone", [None, _BERLIN, "America/New_York"])
@pytest.mark.parametrize(
    "collected",
    [date(2011, 1, 24), datetime(2011, 1, 24, 0, 30), datetime(2011, 1, 24, 23, 30),
     "2011-01-24T23:30-05:00", "2011-01-24T00:30:00Z"],
)  # fmt: skip
def test_a_date_a_local_timestamp_and_a_text_stay_as_written(
    tmp_path: Path, collected: Any, timezone: str | None
) -> None:
    _parquet(tmp_path / "labs.parquet", pl.DataFrame([_lab(collected)]))
    assert _days(tmp_path / "labs.parquet", tmp_path, timezone) == ["2011-01-24"]


def test_a_column_with_a_zone_of_its_own_needs_no_other(tmp_path: Path) -> None:
    frame = pl.DataFrame([_lab(_MIDNIGHT_BERLIN)])
    frame = frame.with_columns(pl.col("collected").dt.convert_time_zone(_BERLIN))
    _parquet(tmp_path / "labs.parquet", frame)
    assert _days(tmp_path / "labs.parquet", tmp_path, None) == ["2011-01-24"]
    assert toxgrade.grade(frame)["collected"].to_list() == frame["collected"].to_list()


def test_an_instant_that_is_only_passed_through_is_never_refused(tmp_path: Path) -> None:
    frame = pl.DataFrame([_lab("2011-01-24") | {"loaded": _MIDNIGHT_BERLIN}])
    _parquet(tmp_path / "labs.parquet", frame)
    assert _days(tmp_path / "labs.parquet", tmp_path, None) == ["2011-01-24"]
    assert len(toxgrade.grade(frame)) == 1


_COURSE = {"start": _MIDNIGHT_BERLIN, "end": datetime(2011, 3, 8, 23, tzinfo=UTC)}
"""24 January to 9 March 2011 in Berlin."""
_OWN = {"patient": "P1", "rt_start": _COURSE["start"], "rt_end": _COURSE["end"]}
_DM = {"USUBJID": "P1", "RFSTDTC": _COURSE["start"], "RFENDTC": _COURSE["end"]}


@pytest.mark.parametrize("patients", [_OWN, _DM])
def test_treatment_dates_are_of_the_declared_zone_in_files_and_frames(
    tmp_path: Path, patients: dict[str, Any]
) -> None:
    labs, dates = pl.DataFrame([_lab("2011-01-24")]), pl.DataFrame([patients])
    labs.write_csv(tmp_path / "labs.csv")
    _parquet(tmp_path / "dates.parquet", dates)

    def phase(timezone: str | None) -> str:
        request = GradeFileRequest(
            (str(tmp_path / "labs.csv"),), tmp_path / "out.parquet", Rules(),
            tmp_path / "dates.parquet", options=ReadOptions(timezone=timezone),
        )  # fmt: skip
        grade_file(request, GRADERS)
        (found,) = pl.read_parquet(tmp_path / "out.parquet")["phase"]
        (same,) = toxgrade.grade(labs, dates, timezone=timezone)["phase"]
        assert found == same
        return str(found)

    assert phase(_BERLIN) == "baseline"
    assert phase("UTC") == "acute"
    with pytest.raises(FileError, match=r"dates.parquet: the column (rt_start|RFSTDTC)"):
        phase(None)
    with pytest.raises(FileError, match="patients: the column"):
        toxgrade.grade(labs, dates)


def test_treatment_dates_in_the_labs_too() -> None:
    labs = pl.DataFrame([_lab("2011-01-24") | {k: v for k, v in _OWN.items() if k != "patient"}])
    assert toxgrade.grade(labs, timezone=_BERLIN)["phase"].to_list() == ["baseline"]
    with pytest.raises(FileError, match="labs: the column rt_start"):
        toxgrade.grade(labs)


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ParseError, match="such as Europe/Berlin"):
        toxgrade.grade(pl.DataFrame([_lab("2011-01-24")]), timezone="Mars/Olympus")
