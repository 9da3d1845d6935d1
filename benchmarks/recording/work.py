"""Running the commands, each written down with what it printed and wrote."""

import re
from collections.abc import Iterable
from pathlib import Path

from benchmarks.recording.commands import Run
from benchmarks.recording.normal import Normal
from benchmarks.recording.program import Done, Program
from benchmarks.recording.shown import shown
from benchmarks.recording.talk import INPUTS

# A validation report lists the program's source files by name and hash: a line for each.
_SOURCE = re.compile(r".*\b(?:app|toxgrade|alembic)/[\w./-]+\b.*[0-9a-f]{64}.*\n?")


def run_all(program: Program, runs: Iterable[Run], folder: Path, normal: Normal) -> None:
    """Run commands in their order, each recorded in a folder of its own."""
    for run in runs:
        name = re.sub(r"[^\w.]+", "-", run.name)
        outputs = program.folder / "out" / name
        outputs.mkdir(parents=True)
        words = [word.replace("{out}", f"out/{name}") for word in run.words]
        stdin = (INPUTS / run.stdin).read_bytes() if run.stdin else b""
        done = program.run(*words, stdin=stdin)
        _keep(folder / name, "command.txt", normal(_told(run, done)))
        for file in sorted(path for path in outputs.rglob("*") if path.is_file()):
            text = _SOURCE.sub("", shown(file.read_bytes(), file.suffix))
            told = normal(str(file.relative_to(outputs))).replace("/", "-")
            _keep(folder / name, f"{told}.txt", normal(text))


def _told(run: Run, done: Done) -> str:
    """Return the command with its exit code and what it printed."""
    words = " ".join(("toxgrade", *run.words))
    out = shown(done.out, ".txt")
    return f"{words}\nexit code {done.code}\n\nstdout:\n{out}\nstderr:\n{done.err}"


def _keep(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
