"""``toxgrade grade`` that is ended before its end leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.program import LABS


def test_a_reader_that_goes_away_is_told_in_one_line(tmp_path: Path) -> None:
    rows = "".join(f"Q{n},2011-01-20,ALT,30,U/L,,40,,\n" for n in range(2000))
    (tmp_path / "labs.csv").write_text(LABS + rows)
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
    (tmp_path / "labs.csv").write_text(LABS + rows)
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
