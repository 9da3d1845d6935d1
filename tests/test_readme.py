"""Every command of the README and the docs is run, and answers what they print."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_ANYWHERE = "http://127.0.0.1:8000"


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.S | re.M)


def _shell(command: str, folder: Path, url: str = _ANYWHERE) -> str:
    command = command.replace(_ANYWHERE, url).replace(".venv/bin/", "")
    programs = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-euc", command], cwd=folder, env=os.environ | programs,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def served_from(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the service runs, and has its database."""
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def url(served_from: Path) -> Iterator[str]:
    """``make serve``'s own command, on a free port and a database of its own."""
    recipe = _shell(f"make --no-print-directory -n -C {_ROOT} serve", Path("/"))
    command = next(line for line in recipe.splitlines() if " serve " in line)
    port = free_port()
    variable, _, *arguments = shlex.split(command.replace("8000", str(port)))
    name, _, setting = variable.partition("=")
    program = Path(sys.executable).parent / "toxgrade"
    with (served_from / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, *arguments], cwd=served_from, env=os.environ | {name: setting},
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").close()
                break
            except OSError:
                assert server.poll() is None, (served_from / "log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        assert server.wait(20) in (0, -15)


def test_both_commands_are_targets_of_the_makefile() -> None:
    makes = [block.split() for block in _blocks(_README, "sh") if block.startswith("make ")]
    assert makes == [["make", "serve"], ["make", "test"]]
    assert "make test" in (_ROOT / ".ci" / "run").read_text()
    for _, target in makes:
        assert re.search(rf"^{target}:", (_ROOT / "Makefile").read_text(), flags=re.M)


def test_a_panel_is_graded_as_the_readme_prints(url: str, tmp_path: Path) -> None:
    command = next(block for block in _blocks(_README, "sh") if "/v1/grade" in block)
    answered = json.loads(_shell(command, tmp_path, url))["grades"]
    printed: dict[str, Any] = json.loads(_blocks(_README, "json")[0])
    assert len(answered) == 2
    assert printed == {name: answered[0][name] for name in printed}


def test_an_export_is_graded_as_the_readme_prints(tmp_path: Path) -> None:
    labs, printed = _blocks(_README, "csv")
    (tmp_path / "labs.csv").write_text(labs)
    _shell(next(block for block in _blocks(_README, "sh") if "toxgrade grade" in block), tmp_path)
    with (tmp_path / "graded.csv").open(newline="") as file:
        graded = list(csv.DictReader(file))
    expected = list(csv.DictReader(printed.splitlines()))
    assert [{name: row[name] for name in expected[0]} for row in graded] == expected


def test_results_are_stored_and_read_back(url: str, tmp_path: Path) -> None:
    block = next(block for block in _blocks(_README, "sh") if "/results" in block)
    answers = [json.loads(text) for text in _split(_shell(block, tmp_path, url))]
    stored, toxicity, demo = answers
    assert [g["grade"] for g in stored["grades"]] == [2]
    assert toxicity["summary"] == stored["summary"]
    assert {g["term"] for g in demo["grades"]} == {"White blood cell decreased"}


def test_a_study_is_tabled_as_the_readme_prints(url: str, tmp_path: Path) -> None:
    command = next(block for block in _blocks(_README, "sh") if "toxicity-table" in block)
    tabled = list(csv.DictReader(_shell(command, tmp_path, url).splitlines()))
    (printed,) = _blocks(_README, "text")
    for row in csv.DictReader(printed.splitlines()):
        assert row in [{name: line[name] for name in row} for line in tabled]
    assert len(tabled) == 11 + 2


def _split(text: str) -> list[str]:
    """JSON documents one after the other."""
    decoder, found = json.JSONDecoder(), []
    while text := text.strip():
        _, end = decoder.raw_decode(text)
        found.append(text[:end])
        text = text[end:]
    return found


def test_the_examples_of_the_ehr_page(url: str, tmp_path: Path) -> None:
    page = (_ROOT / "docs" / "ehr.md").read_text(encoding="utf-8")
    graded, shown, sent = _blocks(page, "sh")[:3]
    (entry,) = json.loads(_shell(graded, tmp_path, url))["entry"]
    assert entry["resource"]["valueInteger"] == 1
    (card,) = json.loads(_shell(shown, tmp_path, url))["cards"]
    assert card["indicator"] == "warning"
    assert "MSA|AA|42" in _shell(sent, tmp_path, url)


def test_the_commands_of_the_docs(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served_from: Path
) -> None:
    monkeypatch.setenv("TOXGRADE_DATABASE_URL", f"sqlite:///{served_from / 'toxgrade.db'}")
    (tmp_path / "labs.csv").write_text(
        _blocks(_README, "csv")[0].replace(",rt_start,rt_end", ",a,b")
    )
    (tmp_path / "patients.csv").write_text("patient,rt_start,rt_end\nP1,2011-01-24,2011-03-09\n")
    commands = [
        block
        for page in sorted((_ROOT / "docs").glob("*.md"))
        if page.name != "new-export.md"  # ``test_new_export.py`` runs it, on its own files.
        for block in _blocks(page.read_text(encoding="utf-8"), "sh")
    ]
    assert len(commands) >= 4
    for command in commands:
        _shell(command, tmp_path, url)
    assert (tmp_path / "graded.parquet").exists()


def test_every_link_leads_somewhere() -> None:
    for page in (_ROOT / "README.md", *(_ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
