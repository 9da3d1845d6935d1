"""What the project promises of its own files."""

import re
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_TOP_LEVEL = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile",
    "LICENSE", "Makefile", "README.md", "alembic", "app", "benchmarks", "docs", "pyproject.toml",
    "requirements-build.lock", "requirements-dev.lock", "requirements.lock", "tests",
}  # fmt: skip


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=_ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [Path(name) for name in listed.stdout.splitlines()]


def test_the_top_level_is_fixed() -> None:
    assert {path.parts[0] for path in _tracked()} == _TOP_LEVEL


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-dev.lock", "requirements-build.lock"]
)
def test_locks_pin_with_hashes_and_name_no_index(name: str) -> None:
    text = (_ROOT / name).read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[\w.-]+==[\w.]+( ;[^\n]*)? \\\n +--hash=sha256:[0-9a-f]{64}", requirement)


def test_every_run_time_dependency_is_locked_at_one_version_everywhere() -> None:
    def pins(name: str) -> dict[str, str]:
        found = re.findall(r"^([\w.-]+)==([\w.]+)", (_ROOT / name).read_text(), flags=re.M)
        return dict(found)

    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_files_stay_short_enough_to_read() -> None:
    """About 200 lines: a file that is much longer answers more than one question."""
    long = {
        str(path): lines
        for path in _tracked()
        if path.parts[0] == "app" and path.suffix == ".py"
        if (lines := len((_ROOT / path).read_text(encoding="utf-8").splitlines())) > 250
    }
    assert long == {}


def test_the_container_follows_the_rules_it_can_be_checked_for() -> None:
    """No engine runs in the tests: the files are read as a linter would."""
    text = (_ROOT / "Dockerfile").read_text()
    last_stage = text.rpartition("\nFROM ")[2]
    assert re.findall(r"^FROM (\S+)", text, flags=re.M) == ["python:3.11-slim"] * 2
    assert "USER toxgrade" in last_stage
    assert "HEALTHCHECK" in last_stage
    assert last_stage.rstrip().endswith('CMD ["toxgrade", "serve"]')
    for install in re.findall(r"pip install[^\n&]*", text):
        assert "--no-cache-dir" in install
        assert "--require-hashes" in install or "--no-deps" in install


def test_the_composed_service_can_write_where_its_image_does() -> None:
    """A volume belongs to root unless it covers a folder of the image that does not."""
    image = (_ROOT / "Dockerfile").read_text()
    composed = (_ROOT / "docs" / "compose.yaml").read_text()
    (folder,) = re.findall(r"TOXGRADE_BATCHES_DIR=(\S+)", image)
    assert f"install --directory --owner=toxgrade --mode=700 {folder}" in image
    assert f"volumes: [batches:{folder}]" in composed
    (user,) = re.findall(r"--uid (\d+)", image)
    assert f"chown {user} secrets/pgpass" in composed
