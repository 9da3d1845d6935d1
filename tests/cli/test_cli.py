"""The command line as its users meet it: exit codes, messages, what is printed where."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from toxgrade import __version__
from toxgrade.cli import COMMANDS, GROUPS
from toxgrade.cli.options import Parser
from toxgrade.cohort.table_document import table_csv, table_html
from toxgrade.demo import load_demo
from toxgrade.grading.rules import Rules
from toxgrade.server.access import Role
from toxgrade.server.records.db.engine import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.records.studies import save_study

_LABS = """patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end
P1,2011-01-20,ALT,30,U/L,,40,2011-01-24,2011-03-09
P1,2011-04-23,ALT,130,U/L,,40,2011-01-24,2011-03-09
P1,2011-04-23,lead,5,ug/L,,,2011-01-24,2011-03-09
"""


def toxgrade(*arguments: str, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TOXGRADE_")}
    return subprocess.run(
        [Path(sys.executable).parent / "toxgrade", *arguments],
        cwd=cwd, env=environment | settings, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_file_is_graded_and_what_came_of_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(_LABS)
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
    assert "values not understood, by their look: 9,9 1; see --decimal, --null\n" in told
    told = toxgrade("grade", "labs.csv", "-o", "out.csv", "--decimal", ",", cwd=tmp_path).stderr
    assert "dates not understood, by their look: 99.99.9999 1; see --dates\n" in told
    declared = "--decimal", ",", "--dates", "%d.%m.%Y"
    told = toxgrade("grade", "labs.csv", "-o", "out.csv", *declared, cwd=tmp_path).stderr
    assert "1 gradings: 1 decided\n" in told


def test_a_reader_that_goes_away_is_told_in_one_line(tmp_path: Path) -> None:
    rows = "".join(f"Q{n},2011-01-20,ALT,30,U/L,,40,,\n" for n in range(2000))
    (tmp_path / "labs.csv").write_text(_LABS + rows)
    program = str(Path(sys.executable).parent / "toxgrade")
    command = [program, "grade", "labs.csv", "-o", "-"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.close()
        assert "toxgrade: standard output: Broken pipe" in running.stderr.read()
        assert running.wait(60) == 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_what_is_ended_leaves_nothing_behind(tmp_path: Path, sent: signal.Signals) -> None:
    """What lies in the temporary folder meanwhile are patients' data."""
    aside = tmp_path / "aside"
    aside.mkdir()
    rows = "".join(f"Q{n},2011-01-20,ALT,{n},U/L,,40,,\n" for n in range(500_000))
    (tmp_path / "labs.csv").write_text(_LABS + rows)
    program = str(Path(sys.executable).parent / "toxgrade")
    with subprocess.Popen(
        [program, "grade", "labs.csv", "-o", "out.csv"], cwd=tmp_path, text=True,
        stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(aside)},
    ) as running:  # fmt: skip
        while not list(aside.glob("toxgrade-*/read-*")):
            assert running.poll() is None
            time.sleep(0.01)
        for _ in range(2):  # who presses twice must not disturb the tidying up
            running.send_signal(sent)
        assert running.stderr
        assert running.stderr.read() == "toxgrade: interrupted\n"
        assert running.wait(30) == 130
    assert list(aside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aside", "labs.csv"]


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


def test_what_waits_for_its_input_is_ended_too(tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    program = str(Path(sys.executable).parent / "toxgrade")
    with subprocess.Popen(
        [program, "grade", "-", "-o", "out.csv"], cwd=tmp_path, text=True, stdin=subprocess.PIPE,
        stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(aside)},
    ) as running:  # fmt: skip
        while not list(aside.glob("toxgrade-*/stdin.csv")):
            assert running.poll() is None
            time.sleep(0.01)
        time.sleep(0.1)  # it is waiting now
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 130
        assert running.stderr
        assert running.stderr.read() == "toxgrade: interrupted\n"
    assert list(aside.iterdir()) == []


@pytest.mark.parametrize(
    ("window", "phase"), [("paper", "acute"), ("rtog90", "acute"), ("end+44d", "late")]
)
def test_the_window_may_be_chosen(tmp_path: Path, window: str, phase: str) -> None:
    (tmp_path / "labs.csv").write_text(_LABS)
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
    (tmp_path / "labs.csv").write_text(_LABS)
    done = toxgrade(*arguments, cwd=tmp_path, TOXGRADE_AUTH="off")
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "given", [("--null", "-"), ("--null=--",), ("--null=---",), ("--null=-x",)]
)
def test_a_text_that_means_no_value_may_begin_with_a_dash(
    tmp_path: Path, given: tuple[str, ...]
) -> None:
    text = given[-1].removeprefix("--null=")
    (tmp_path / "labs.csv").write_text(_LABS.replace(",130,", f",{text},"))
    toxgrade("grade", "labs.csv", "-o", "out.csv", *given, cwd=tmp_path)
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
    rows = [line.rsplit(",", 2)[0] for line in _LABS.splitlines()]
    (tmp_path / "labs.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "dates.csv").write_text("patient,rt_start,rt_end\n")
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    done = toxgrade("grade", "labs.csv", "--patients", "dates.csv", *outputs, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith(".csv: it is read, or written twice; name another output\n")
    assert {path: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_text_that_means_no_value_may_be_given_twice(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(_LABS.replace(",130,", ",n.d.,"))
    twice = ("--null", "n.d.", "--null", "n.d.")
    assert toxgrade("grade", "labs.csv", "-o", "out.csv", *twice, cwd=tmp_path).returncode == 0
    assert ",missing-value," in (tmp_path / "out.csv").read_text()


def test_files_and_options_come_in_any_order(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(_LABS)
    done = toxgrade("grade", "a.csv", "-o", "out.csv", "b.csv", "--strict", cwd=tmp_path)
    assert (done.returncode, "6 rows" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "http", "valid integer"),
        ("PORT", "99999", "less than or equal to 65535"),  # once it was 34463
        ("MAX_RESULTS", "-1", "greater than 0"),
        ("BATCHES_DIR", "", "it is empty"),
        ("DATABASE_URL", "", "it is empty"),
        ("HL7V2_CODES", "BILI=bilirubin", "expected JSON"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str, says: str) -> None:
    done = toxgrade("db", "upgrade", cwd=tmp_path, **{f"TOXGRADE_{name}": value})
    assert done.returncode == 2
    assert done.stderr.startswith(f"toxgrade: TOXGRADE_{name}: ")
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_setting_is_unset_where_that_means_none(tmp_path: Path) -> None:
    empty = dict.fromkeys(("TOXGRADE_JWT_ISSUER", "TOXGRADE_HL7V2_AUTHORITY"), "")
    done = toxgrade("db", "upgrade", cwd=tmp_path, **empty)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_misspelt_setting_is_told(tmp_path: Path) -> None:
    names = {"TOXGRADE_DATABSE_URL": "sqlite:///x.db", "TOXGRADE_SERVICE_PORT": "8000"}
    done = toxgrade("db", "upgrade", cwd=tmp_path, **names)
    told = "TOXGRADE_DATABSE_URL is no setting and is passed over; did you mean"
    assert done.stderr == f"toxgrade: {told} TOXGRADE_DATABASE_URL?\n"


@pytest.mark.parametrize("command", ["serve", "mllp"])
def test_a_code_of_the_site_that_stands_for_nothing_is_refused(
    tmp_path: Path, command: str
) -> None:
    codes = json.dumps({"BILI": "bilirubn"})
    done = toxgrade(command, cwd=tmp_path, TOXGRADE_HL7V2_CODES=codes)
    assert done.returncode == 2
    assert "TOXGRADE_HL7V2_CODES: BILI stands for bilirubn, which is no analyte" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "labs.db", "sqlite://", "sqlite:///:memory:", "postgres://u:secret@h/db", "mysql://h/db",
        "postgresql+asyncpg://u:secret@h/db", "postgresql+psycopg://u:secret@h:port/db",
    ],
)  # fmt: skip
def test_a_database_of_another_kind_is_refused(tmp_path: Path, url: str) -> None:
    """Before, a traceback or "not migrated"."""
    refused = toxgrade("serve", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert (refused.returncode, refused.stdout) == (2, "")
    kinds = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
    assert refused.stderr == f"toxgrade: TOXGRADE_DATABASE_URL: expected {kinds}\n"


def test_an_option_of_a_url_that_there_is_not_is_named(tmp_path: Path) -> None:
    url = "postgresql+psycopg://u:secret@127.0.0.1:1/db?ssl=on"
    refused = toxgrade("keys", "list", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert refused.returncode == 2
    assert 'cannot be used: invalid connection option "ssl"' in refused.stderr
    assert "secret" not in refused.stderr


@pytest.mark.parametrize("command", ["serve", "mllp"])
def test_a_port_that_is_taken_is_named_before_anything_is_made(
    tmp_path: Path, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = toxgrade(command, "--port", port, cwd=tmp_path, TOXGRADE_AUTH="off")
    says = f"toxgrade: cannot listen on 127.0.0.1 port {port}: Address already in use; --host and"
    assert (done.returncode, done.stderr[: len(says)]) == (2, says)
    assert list(tmp_path.iterdir()) == []


def test_the_database_is_migrated_and_a_key_made(tmp_path: Path) -> None:
    assert toxgrade("db", "upgrade", cwd=tmp_path).returncode == 0
    assert (tmp_path / "toxgrade.db").exists()
    made = toxgrade("keys", "create", "ehr", cwd=tmp_path)
    assert made.stdout.startswith("tox_")
    assert made.stdout.count("\n") == 1


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    toxgrade("keys", "create", "ward 7", "--role", "writer", "--study", "default", cwd=tmp_path)
    toxgrade("keys", "create", "lead", "--days", "90", cwd=tmp_path)
    ward, lead = toxgrade("keys", "list", cwd=tmp_path).stdout.splitlines()
    assert ward.split()[1:] == ["writer", "default", "valid", "ward", "7"]
    assert lead.split()[1:] == ["admin", "*", "valid", "lead"]
    done = toxgrade("keys", "revoke", ward.split()[0], cwd=tmp_path)
    assert done.stdout == "revoked; running services follow within 5 seconds\n"
    assert " revoked " in toxgrade("keys", "list", cwd=tmp_path).stdout.splitlines()[0]
    again = toxgrade("keys", "revoke", ward.split()[0], cwd=tmp_path)
    assert (again.returncode, "no valid key" in again.stderr) == (2, True)
    lacks = toxgrade("keys", "create", "x", "--role", "reader", cwd=tmp_path)
    assert (lacks.returncode, "--study" in lacks.stderr) == (2, True)


def test_criteria_are_checked(tmp_path: Path) -> None:
    done = toxgrade("criteria", "check", cwd=tmp_path)
    assert done.stdout.startswith("CTCAE v4.0 (release 4.03, 2010-06-14): 45 terms")


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


def test_the_roles_of_keys_are_those_there_are(tmp_path: Path) -> None:
    """The parser names them itself: to load what knows them takes longer than to say so."""
    told = toxgrade("keys", "create", "--help", cwd=tmp_path).stdout
    assert f"{{{','.join(get_args(Role))}}}" in told


def test_arguments_are_read_before_polars_is_loaded(tmp_path: Path) -> None:
    """Its allocator is told by the environment, which `toxgrade grade` sets once it has them."""
    code = (
        "import sys; from toxgrade.cli.options import Parser\n"
        "from toxgrade.cli.grade import arguments\n"
        "parser = Parser(); arguments(parser); parser.parse_intermixed_args(['x', '-o', 'y'])\n"
        "sys.exit(any(m in sys.modules for m in ('polars', 'pydantic', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0


def test_a_command_that_does_not_exist_is_named_with_the_nearest(tmp_path: Path) -> None:
    done = toxgrade("grad", cwd=tmp_path)
    assert (done.returncode, "did you mean 'grade'" in done.stderr) == (2, True)


def test_a_report_is_written_as_its_suffix_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'demo.db'}"
    upgrade(url)
    load_demo(url)
    for name in ("table.html", "table.csv", "table.json"):
        done = toxgrade("report", "demo", "-o", name, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    table = json.loads((tmp_path / "table.json").read_text())
    assert (table["any_toxicity"]["n"], table["synthetic"]) == (13, True)
    assert (tmp_path / "table.csv").read_text() == table_csv(table)
    assert (tmp_path / "table.html").read_text() == table_html(table)
    shown = toxgrade("report", "demo", "-o", "-", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert shown.stdout == table_csv(table)
    late = toxgrade(
        "report", "demo", "-o", "late.json", "--phase", "late", cwd=tmp_path,
        TOXGRADE_DATABASE_URL=url,
    )  # fmt: skip
    assert late.returncode == 0
    assert json.loads((tmp_path / "late.json").read_text())["any_toxicity"]["n"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none", "-o", "t.csv"], "there is no such study"),
        (["demo", "-o", "t.pdf"], "the report is .html, .csv, .json"),
        (
            ["demo", "-o", "t.csv", "--phase", "early"],
            "toxgrade: --phase: invalid choice: 'early' (choose",
        ),
        (["demo", "-o", "nowhere/t.csv"], "No such file or directory"),
    ],
)
def test_a_report_that_cannot_be_made_says_why(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    refused = toxgrade("report", *arguments, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert refused.returncode == 2
    if arguments[0] == "none":
        (tmp_path / "empty.db").touch()
        refused = toxgrade("report", *arguments, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
        assert "not migrated (toxgrade db upgrade)" in refused.stderr
    upgrade(url)
    with transaction(url) as connection:
        save_study(connection, "demo", Rules(), synthetic=True)
    refused = toxgrade("report", *arguments, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_cannot_be_reached_is_told_with_the_reason(tmp_path: Path) -> None:
    """It once said only that the database "does not answer": the password could not be read."""
    url = f"postgresql+psycopg://toxgrade:secret@/toxgrade?host={tmp_path}"
    refused = toxgrade("worker", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert refused.returncode == 2
    assert "TOXGRADE_DATABASE_URL cannot be used: " in refused.stderr
    assert "No such file or directory" in refused.stderr
    assert "secret" not in refused.stderr


def test_what_only_reads_makes_no_database(tmp_path: Path) -> None:
    """In the wrong folder, an empty toxgrade.db was left behind and called not migrated."""
    done = toxgrade("keys", "list", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be used: unable to open database file (toxgrade db upgrade" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert toxgrade("db", "upgrade", cwd=tmp_path).returncode == 0
    assert toxgrade("keys", "list", cwd=tmp_path).returncode == 0


def test_a_file_of_any_name_is_the_same_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a b%20c#é.db"
    assert toxgrade("db", "upgrade", cwd=tmp_path, TOXGRADE_DATABASE_URL=url).returncode == 0
    there = list(tmp_path.iterdir())
    assert toxgrade("keys", "list", cwd=tmp_path, TOXGRADE_DATABASE_URL=url).returncode == 0
    assert list(tmp_path.iterdir()) == there


def test_what_others_read_is_utf_8_under_every_locale(tmp_path: Path) -> None:
    toxgrade("db", "upgrade", cwd=tmp_path)
    toxgrade("keys", "create", "Ärzte", cwd=tmp_path)
    listed = toxgrade("keys", "list", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "Ärzte" in listed.stdout


def test_a_worker_says_which_folder_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = toxgrade("worker", cwd=tmp_path, TOXGRADE_BATCHES_DIR="file/batches")
    assert refused.returncode == 2
    assert "TOXGRADE_BATCHES_DIR cannot be used: Not a directory" in refused.stderr


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


def test_who_reads_the_output_may_stop_early() -> None:
    """As ``head`` does: that is no fault of the command."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [Path(sys.executable).parent / "toxgrade", "criteria", "check"],
        stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
