"""The wheel as others install it: beside a foreign package, and without the service's packages."""

import json
import os
import re
import site
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from tests.ports import free_port

_ROOT = Path(__file__).parents[2]
_LABS = """patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end
P1,2011-01-20,ALT,31,U/L,,40,2011-01-24,2011-03-09
P1,2011-04-23,ALT,121,U/L,,40,2011-01-24,2011-03-09
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release is."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=_ROOT, check=True, capture_output=True)
    (built,) = folder.glob("toxgrade-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, beside another package that has an ``app`` of its own.

    What the wheel depends on is taken from the environment of the tests, so that nothing is
    downloaded; the checkout's own package is not on its path.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "app").mkdir()
    (packages / "app" / "__init__.py").write_text("WHOSE = 'another package'\n")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return folder


def _run(environment: Path, *command: str | Path, folder: Path, **variables: str) -> str:
    program, *arguments = command
    done = subprocess.run(
        [environment / "bin" / program, *arguments], cwd=folder, env=os.environ | variables,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_all_that_the_service_needs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        "toxgrade/criteria/ctcae_4_03.toml", "toxgrade/criteria/analytes.toml",
        "toxgrade/demo/labs.csv", "toxgrade/demo/patients.csv",
        "toxgrade/server/migrations/env.py",
        "toxgrade/server/migrations/versions/0001_first_tables.py",
        "toxgrade/server/web/templates/layout.html", "toxgrade/server/web/static/toxgrade.css",
    } <= names  # fmt: skip
    assert {re.sub(r"-[0-9.]+[0-9]", "", name.split("/")[0]) for name in names} == {
        "toxgrade", "toxgrade.dist-info",
    }  # fmt: skip


def test_it_is_imported_beside_a_package_named_app(environment: Path, tmp_path: Path) -> None:
    code = "import app, toxgrade; print(app.WHOSE, toxgrade.__file__)"
    printed = _run(environment, "python", "-c", code, folder=tmp_path)
    assert printed.startswith(f"another package {environment}")


def test_it_grades_and_validates(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(_LABS)
    graded = _run(environment, "toxgrade", "grade", "labs.csv", "-o", "-", folder=tmp_path)
    assert "121" in graded.splitlines()[2]
    assert ",2,2,2," in graded.splitlines()[2]
    _run(environment, "toxgrade", "validate", "-o", "report", folder=tmp_path)
    (report,) = (tmp_path / "report").glob("*.json")
    assert json.loads(report.read_text())["passed"] is True


def test_it_serves(environment: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [str(environment / "bin" / "toxgrade"), "serve", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"TOXGRADE_AUTH": "off"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                ready = urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").status
                break
            except OSError:
                assert server.poll() is None, "the server ended"
                time.sleep(0.1)
        assert ready == 200
    finally:
        server.terminate()
        server.wait(20)


def test_grading_needs_none_of_the_services_packages(environment: Path, tmp_path: Path) -> None:
    """``pip install toxgrade`` alone: a package of the extra that is imported is not found."""
    (tmp_path / "labs.csv").write_text(_LABS)
    extra = (
        "fastapi", "starlette", "pydantic", "pydantic_settings", "sqlalchemy", "alembic", "httpx",
        "uvicorn", "psycopg", "structlog", "prometheus_client", "joserfc", "altair", "vl_convert",
        "python_calamine", "pyreadstat", "pyspark", "pandas",
    )  # fmt: skip
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({extra!r}))\n"
    )
    light = {"PYTHONPATH": str(tmp_path), "folder": tmp_path}
    table = ("--table", "table.html", "--worst", "worst.csv")
    command = ("toxgrade", "grade", "labs.csv", "-o", "graded.parquet", *table)
    _run(environment, *command, **light)  # type: ignore[arg-type]
    assert (tmp_path / "table.html").stat().st_size > 1000
    refused = subprocess.run(
        [environment / "bin" / "toxgrade", "serve"], cwd=tmp_path, text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "pip install 'toxgrade[server]'" in refused.stderr
    assert "Traceback" not in refused.stderr
