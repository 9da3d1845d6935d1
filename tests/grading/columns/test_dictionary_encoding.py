"""An export's texts as numbers: whatever its columns are like, its rows come out the same."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toxgrade.criteria.reader import load
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.columns import interning
from toxgrade.grading.columns.interning import DictionaryEncoding
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.declared_options import with_mapping
from toxgrade.tabular.spill import SpillFile

_GRADERS = Graders(load())
_HEADER = "patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end,note"
_DATES = "2011-01-24,2011-03-09"
_LABS = [
    f"P1,2011-01-20,ALT,30,U/L,,40,{_DATES},a",
    f"P1,2011-04-23,ALT,{{value}},U/L,,40,{_DATES},b",
    f"P2,2011-04-23T08:00,WBC,2.8,K/uL,4,10,{_DATES},c",
    f"P2,2011-04-24,lead,5,ug/L,,,{_DATES},",
    f",2011-04-24,ALT,<30,U/L,,40,{_DATES},d",
    f"P3,23.04.2011,ALT,about 5,U/L,x,40,{_DATES},=e",
    f'P3,2012-04-23,ALT,"",U/L,"",40,{_DATES},e',
]


@settings(deadline=None)  # A busy machine is no fault.
@given(
    pieces=st.lists(st.lists(st.sampled_from(["", "a", "b", "c", "dd", None])), min_size=1),
    most=st.integers(0, 6),
)
def test_texts_come_back_as_they_were(pieces: Sequence[Sequence[str | None]], most: int) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(interning, "_MAX_TEXTS", most)
        encoding, spilled = DictionaryEncoding(["n"]), SpillFile(Path(name), "n")
        for piece in pieces:
            of = encoding.encode(pl.DataFrame({"n": piece}, schema={"n": pl.String}))
            assert of["n"].cast(pl.String).to_list() == piece
            spilled.add(encoding.to_numbers(of))
        again = [encoding.decode(frame) for frame in spilled.frames()]
    assert [frame["n"].cast(pl.String).to_list() for frame in again] == pieces
    assert len({frame["n"].dtype for frame in again}) == 1
    met = {text for piece in pieces for text in piece} - {None}
    assert (again[0]["n"].dtype == pl.String) == (len(met) > most)


def test_texts_that_hardly_repeat_stay_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interning, "_SAMPLE_ROWS", 8)
    encoding = DictionaryEncoding(["each", "half"])
    each = [f"{number}" for number in range(8)]
    piece = pl.DataFrame({"each": each, "half": ["a", "b"] * 4})
    # Seven rows are too few to decide.
    assert isinstance(
        DictionaryEncoding(["each"]).encode(piece[["each"]][:7])["each"].dtype, pl.Categorical
    )
    of = encoding.encode(piece)
    assert of.schema["each"] == pl.String
    assert isinstance(of.schema["half"], pl.Categorical)
    assert of["each"].to_list() == each


def _graded(folder: Path, labs: str, name: str) -> pl.DataFrame:
    path = folder / "labs.csv"
    path.write_text(labs, encoding="utf-8")
    output, worst = folder / name, folder / "worst.csv"
    report = grade_file(GradeFileRequest((str(path),), output, Rules(), worst=worst), _GRADERS)
    read = pl.read_parquet(output) if name.endswith("parquet") else pl.read_csv(output)
    return read.with_columns(
        beside=pl.lit(worst.read_text(encoding="utf-8")),
        told=pl.lit(repr((report.patients, report.undecided, report.unreadable))),
    )


@settings(max_examples=25, deadline=None)
@given(
    lines=st.lists(st.sampled_from(_LABS), min_size=1, max_size=12),
    values=st.lists(st.sampled_from(["30", "41", "130", "801", "<0.5"]), min_size=12, max_size=12),
    most=st.integers(0, 5), size=st.integers(1, 5), name=st.sampled_from(["o.parquet", "o.csv"]),
)  # fmt: skip
def test_however_its_columns_are_kept_an_export_is_graded_alike(
    lines: list[str], values: list[str], most: int, size: int, name: str
) -> None:
    filled = [line.format(value=value) for line, value in zip(lines, values, strict=False)]
    labs = "\n".join([_HEADER, *filled, ""])
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        expected = _graded(Path(folder), labs, name)
        patch.setattr(interning, "_MAX_TEXTS", most)
        patch.setattr("toxgrade.exports.grade_file._PIECE", size)
        assert _graded(Path(folder), labs, name).equals(expected)


def test_parquet_says_that_the_input_is_text(tmp_path: Path) -> None:
    labs = "\n".join([_HEADER, *(line.format(value="130") for line in _LABS), ""])
    graded = _graded(tmp_path, labs, "o.parquet")
    given_columns = dict.fromkeys(_HEADER.split(","), pl.String)
    assert given_columns.items() <= dict(graded.schema).items()
    assert graded.schema["flags"] == pl.String
    assert isinstance(graded.schema["term"], pl.Enum)
    path = tmp_path / "o.parquet"
    assert path.read_bytes().count(b"ARROW:schema") == 1
    patients = pl.scan_parquet(path).filter(pl.col("patient") == "P3").select("value").collect()
    assert patients["value"].to_list() == ["about 5", ""]


@pytest.mark.parametrize("name", ["o.parquet", "o.csv", "o.ndjson"])
def test_a_file_without_rows_among_others_is_one_of_them(tmp_path: Path, name: str) -> None:
    lines = [line.format(value="130") for line in _LABS]
    for at, part in enumerate(([], lines[:3], [], lines[3:])):
        file = tmp_path / f"labs-{at}.csv"
        file.write_text("\n".join([_HEADER, *part, ""]), encoding="utf-8")
    grade_file(
        GradeFileRequest((str(tmp_path / "labs-*.csv"),), tmp_path / name, Rules()), _GRADERS
    )
    (tmp_path / "labs.csv").write_text("\n".join([_HEADER, *lines, ""]), encoding="utf-8")
    whole = tmp_path / f"whole-{name}"
    grade_file(GradeFileRequest((str(tmp_path / "labs.csv"),), whole, Rules()), _GRADERS)
    assert (tmp_path / name).read_bytes() == whole.read_bytes()


def test_a_patient_of_whom_a_wide_export_holds_no_value_is_not_counted(tmp_path: Path) -> None:
    labs, mapping = tmp_path / "wide.csv", tmp_path / "m.toml"
    labs.write_text("patient,collected,ALT\nP1,2011-04-23,\nP2,2011-04-23,41\n", encoding="utf-8")
    mapping.write_text('[[wide]]\ncolumn = "ALT"\nanalyte = "ALT"\nunit = "U/L"\nuln = "40"\n')
    options = with_mapping([str(mapping)])
    request = GradeFileRequest((str(labs),), tmp_path / "o.csv", Rules(), options=options)
    assert grade_file(request, _GRADERS).patients == 1
