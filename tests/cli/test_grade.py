"""``toxgrade grade``: what is told, chosen and refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import LABS, toxgrade


def test_a_file_is_graded_and_what_came_of_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(LABS)
    done = toxgrade("grade", "labs.csv", "-o", "out.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "Toxgrade's own columns: 3 rows, 1 patients",
        "3 gradings: 2 decided",
        "  undecided, unknown-analyte: 1",
        "analytes not graded (rows): lead 1",
        "rows that could not be read: 1; --rejects FILE lists them",
    ]
    strict = toxgrade("grade", "labs.csv", "-o", "out.csv", "--strict", cwd=tmp_path)
    assert strict.returncode == 1


def test_what_is_not_understood_is_told_with_what_declares_it(tmp_path: Path) -> None:
    header = "patient;collected;analyte;value;unit;lln;uln\n"
    (tmp_path / "labs.csv").write_text(f"{header}P1;23.04.2011;TBIL;1,8;mg/dL;0,2;1,2\n")
    told = toxgrade("grade", "labs.csv", "-o", "out.csv", cwd=tmp_path).stderr
    assert "values not understood, by their look: 9,9 1; see --decimal, --null, --strip\n" in told
    told = toxgrade("grade", "labs.csv", "-o", "out.csv", "--decimal", ",", cwd=tmp_path).stderr
    assert "dates not understood, by their look: 99.99.9999 1; see --dates\n" in told
    declared = "--decimal", ",", "--dates", "%d.%m.%Y"
    told = toxgrade("grade", "labs.csv", "-o", "out.csv", *declared, cwd=tmp_path).stderr
    assert "1 gradings: 1 decided\n" in told


@pytest.mark.parametrize(
    ("window", "phase"), [("paper", "acute"), ("rtog90", "acute"), ("end+44d", "late")]
)
def test_the_window_may_be_chosen(tmp_path: Path, window: str, phase: str) -> None:
    (tmp_path / "labs.csv").write_text(LABS)
    toxgrade("grade", "labs.csv", "-o", "out.csv", "--window", window, cwd=tmp_path)
    assert (tmp_path / "out.csv").read_text().count(f",{phase},") == 2


@pytest.mark.parametrize(("choice", "grade"), [((), "2"), (("hypokalemia=grade-1",), "1")])
def test_the_interpretation_of_the_text_may_be_chosen(
    tmp_path: Path, choice: tuple[str, ...], grade: str
) -> None:
    labs = "patient,collected,analyte,value,unit,lln,uln\nP1,2011-01-20,K,3.2,mmol/L,3.5,5\n"
    (tmp_path / "labs.csv").write_text(labs)
    chosen = [part for one in choice for part in ("--reading", one)]
    toxgrade("grade", "labs.csv", "-o", "out.csv", *chosen, cwd=tmp_path)
    assert f",Hypokalemia,{grade}," in (tmp_path / "out.csv").read_text()


@pytest.mark.parametrize(
    "given", [("--null", "-"), ("--null=--",), ("--null=---",), ("--null=-x",)]
)
def test_a_text_that_means_no_value_may_begin_with_a_dash(
    tmp_path: Path, given: tuple[str, ...]
) -> None:
    text = given[-1].removeprefix("--null=")
    (tmp_path / "labs.csv").write_text(LABS.replace(",130,", f",{text},"))
    toxgrade("grade", "labs.csv", "-o", "out.csv", *given, cwd=tmp_path)
    assert ",missing-value," in (tmp_path / "out.csv").read_text()


def test_a_text_that_means_no_value_may_be_given_twice(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(LABS.replace(",130,", ",n.d.,"))
    twice = ("--null", "n.d.", "--null", "n.d.")
    assert toxgrade("grade", "labs.csv", "-o", "out.csv", *twice, cwd=tmp_path).returncode == 0
    assert ",missing-value," in (tmp_path / "out.csv").read_text()


@pytest.mark.parametrize(
    "outputs",
    [
        ("-o", "labs.csv"),
        ("-o", "./labs.csv"),
        ("-o", "out.csv", "--rejects", "labs.csv"),
        ("-o", "out.csv", "--worst", "dates.csv"),
        ("-o", "out.csv", "--table", "out.csv"),
    ],
)
def test_no_output_takes_the_place_of_an_input_or_another_output(
    tmp_path: Path, outputs: tuple[str, ...]
) -> None:
    rows = [line.rsplit(",", 2)[0] for line in LABS.splitlines()]
    (tmp_path / "labs.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "dates.csv").write_text("patient,rt_start,rt_end\n")
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    done = toxgrade("grade", "labs.csv", "--patients", "dates.csv", *outputs, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith(".csv: it is read, or written twice; name another output\n")
    assert {path: path.read_text() for path in tmp_path.iterdir()} == before


def test_files_and_options_come_in_any_order(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(LABS)
    done = toxgrade("grade", "a.csv", "-o", "out.csv", "b.csv", "--strict", cwd=tmp_path)
    assert (done.returncode, "6 rows" in done.stderr) == (1, True)


def test_arguments_are_read_before_polars_is_loaded(tmp_path: Path) -> None:
    """Its allocator is told by the environment, which `toxgrade grade` sets once it has them."""
    code = (
        "import sys; from toxgrade.cli.options import Parser\n"
        "from toxgrade.cli.grade import arguments\n"
        "parser = Parser(); arguments(parser); parser.parse_intermixed_args(['x', '-o', 'y'])\n"
        "sys.exit(any(m in sys.modules for m in ('polars', 'pydantic', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("kind", ["ComputeError", "PanicException"])
def test_what_a_library_could_not_do_is_one_sentence_without_its_words(
    tmp_path: Path, kind: str
) -> None:
    program = f"""
import sys
import polars.exceptions
import toxgrade.exports.grade_file as exports
from toxgrade.cli import main

def grade_file(*_):
    raise polars.exceptions.{kind}("P1, 2011-04-23")

exports.grade_file = grade_file
sys.argv = ["toxgrade", "grade", "labs.csv", "-o", "out.csv"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"an unforeseen {kind}" in done.stderr
    assert "P1" not in done.stderr
