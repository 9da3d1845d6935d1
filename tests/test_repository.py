"""What the project promises of its own files."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from toxgrade.server.settings import Settings

_ROOT = Path(__file__).parents[1]
_TOP_LEVEL = {
    ".ci", ".dockerignore", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md",
    "CONTRIBUTING.md", "Dockerfile", "LICENSE", "Makefile", "README.md", "SECURITY.md", "alembic",
    "app", "benchmarks", "docs", "pyproject.toml", "requirements-build.lock",
    "requirements-dev.lock", "requirements.lock", "tests",
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
    assert f"TMPDIR: {folder} " in composed
    (user,) = re.findall(r"--uid (\d+)", image)
    assert f"chown {user} secrets/pgpass" in composed


@pytest.mark.parametrize("name", ["db", "api", "worker", "proxy"])
def test_no_container_takes_the_machine_with_it(name: str) -> None:
    composed = yaml.safe_load((_ROOT / "docs" / "compose.yaml").read_text())["services"]
    assert set(composed) == {"db", "api", "worker", "proxy"}
    service = composed[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert 0 < service["pids_limit"] <= 512
    in_memory = [re.findall(r":size=(\w+)", folder)[0] for folder in service["tmpfs"]]
    assert sum(map(_bytes, in_memory)) + 2**29 <= _bytes(service["mem_limit"]) <= 2**32
    assert not {"privileged", "pid", "ipc", "network_mode", "devices"} & set(service)


def test_a_worker_of_the_composed_service_may_read_the_uploads_it_accepts() -> None:
    composed = yaml.safe_load((_ROOT / "docs" / "compose.yaml").read_text())["services"]
    upload = Settings.model_fields["upload_memory_bytes"].default
    assert _bytes(composed["worker"]["mem_limit"]) >= 2**30 + upload


def _bytes(text: str) -> int:
    """Return a size as containers have it, "64m" or "2g", in bytes."""
    return int(text[:-1]) * {"m": 2**20, "g": 2**30}[text[-1]]


def test_the_licence_is_what_the_package_says_and_comes_with_it() -> None:
    package = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    assert (package["license"], package["license-files"]) == ("MIT", ["LICENSE"])
    assert (_ROOT / "LICENSE").read_text().startswith("MIT License\n")
    assert re.search(r"^COPY .*\bLICENSE\b", (_ROOT / "Dockerfile").read_text(), flags=re.M)
    assert "!LICENSE" in (_ROOT / ".dockerignore").read_text().splitlines()
