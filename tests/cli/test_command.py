"""What every command has in common: how it is found, told, ended, and what it prints where."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.cli.program import LABS, toxgrade
from toxgrade import __version__
from toxgrade.cli import COMMANDS, GROUPS
from toxgrade.cli.options import Parser


def test_help_names_every_command_and_imports_nothing_for_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['toxgrade', '--help']; from toxgrade.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit(any(m in sys.modules for m in ('polars', 'argparse', 'pydantic', 'sqlalchemy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0
    told = toxgrade("--help", cwd=tmp_path).stdout
    assert re.findall(r"^  (\w+) ", told, re.M) == list(COMMANDS)
    for name in COMMANDS:
        parser = Parser()
        import_module(f"toxgrade.cli.{name}").arguments(parser)
        assert (parser.get_default("run") is None) == (name in GROUPS)
    assert toxgrade(cwd=tmp_path).stdout == told
    assert toxgrade("--version", cwd=tmp_path).stdout == f"toxgrade {__version__}\n"


def test_a_command_that_does_not_exist_is_named_with_the_nearest(tmp_path: Path) -> None:
    done = toxgrade("grad", cwd=tmp_path)
    assert (done.returncode, "did you mean 'grade'" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["grade", "nowhere.csv", "-o", "out.csv"], "toxgrade: nowhere.csv: No such file"),
        (["grade", "labs.csv", "-o", "out.xls"], "toxgrade: out.xls: the output is .csv"),
        (["grade", "labs.csv", "-o", "o.csv", "--window", "x"], "toxgrade: --window: expected"),
        (["grade", "labs.csv", "-o", "o.csv", "--window", "end+999m"], "toxgrade: --window"),
        (["grade", "labs.csv", "-o", "o.csv", "--edition", "9"], "toxgrade: the editions are 4.03"),
        (["grade", "labs.csv"], "toxgrade: the following arguments are required: --output/-o"),
        (["grade", "labs.csv", "-o", "o.csv", "--format", "pdf"], "toxgrade: --format: invalid"),
        (["grade", "labs.csv", "-o", "o.csv", "--dates", "%d.%m."], "toxgrade: --dates: expected"),
        (["grade", "labs.csv", "-o", "o.csv", "--delimiter", ";;"], "toxgrade: --delimiter: exp"),
        (["grade", "labs.csv", "-o", "o.csv", "--rt-from", "A"], "toxgrade: --rt-from: expected"),
        (["grade", "labs.csv", "-o", "o.csv", "--edi", "4.03"], "toxgrade: unrecognized arg"),
        (["compare", "a.csv", "b.csv", "--keys", "A,A"], "toxgrade: --keys: expected each column"),
        (
            ["compare", "labs.csv", "labs.csv", "--keys", "patient", "-o", "labs.csv"],
            "toxgrade: labs.csv: it is read, or written twice",
        ),
        (["keys", "create", "x", "--days", "0"], "toxgrade: --days: expected a whole number from"),
        (["keys"], "toxgrade: the following arguments are required: ACTION; see toxgrade keys"),
        (
            ["serve", "--host", "0.0.0.0"],
            "toxgrade: TOXGRADE_AUTH=off is accepted only with a loopback TOXGRADE_HOST",
        ),
        (["serve", "--port", "http"], "toxgrade: --port: expected a whole number from 1 to"),
    ],
)
def test_what_cannot_be_done_ends_with_code_2_and_one_clear_line(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "labs.csv").write_text(LABS)
    done = toxgrade(*arguments, cwd=tmp_path, TOXGRADE_AUTH="off")
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_former_names_of_options_still_work_and_are_hidden() -> None:
    """They are accepted until 1.0."""
    for command, former, given, field in (
        ("grade", "--reading", "hypokalemia=grade-1", "interpretations"),
        ("regrade", "--reading", "hypokalemia=grade-1", "interpretations"),
        ("grade", "--rt-from", "A,B", "treatment"),
        ("plot", "--row", "Albumin", "term"),
    ):
        parser = Parser(prog=f"toxgrade {command}")
        import_module(f"toxgrade.cli.{command}").arguments(parser)
        files = {"grade": ["labs.csv", "-o", "x.csv"], "regrade": ["demo"]}
        positional = files.get(command, ["shift", "-o", "x.svg"])
        chosen = vars(parser.parse_intermixed_args([*positional, former, given]))
        assert chosen[field] in ([given], ("A", "B"), given)
        assert former not in parser.format_help()


def test_what_others_read_is_utf_8_under_every_locale(tmp_path: Path) -> None:
    toxgrade("db", "upgrade", cwd=tmp_path)
    toxgrade("keys", "create", "Ärzte", cwd=tmp_path)
    listed = toxgrade("keys", "list", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "Ärzte" in listed.stdout


def test_what_a_library_makes_of_the_interrupt_is_one_too(tmp_path: Path) -> None:
    """polars made a TypeError of it, once in some hundred times: a traceback and exit code 1."""
    program = """
import os, signal, time
from toxgrade.cli.options import cleanup_on_signal
with cleanup_on_signal():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt:
        raise TypeError("not a data type")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20)
    assert ended.stderr.splitlines()[-1] == b"KeyboardInterrupt"
    assert b"TypeError" not in ended.stderr


def test_what_a_library_prints_by_itself_is_dropped() -> None:
    """A panic prints its trace before it is caught, and may show a value."""
    program = """
import os, sys
from toxgrade.cli import panics_unprinted
with panics_unprinted():
    os.write(2, b"panicked at P1")
    print("told", file=sys.stderr)
os.write(2, b"as ever")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (0, b"told\nas ever")
