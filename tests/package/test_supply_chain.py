"""All that is installed is listed, its licences are accepted; an audit claims what it saw only."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from benchmarks.known_weaknesses import NONE, NOT_KNOWN, SOME, verdict
from benchmarks.sbom import (
    ACCEPTED_BY_NAME,
    LICENCES,
    LOCK,
    READ_BY_HAND,
    licence,
    licence_table,
    not_accepted,
    read_lock,
    sbom,
)

_TEXT = LOCK.read_text()
_PINS = read_lock(_TEXT)
_NAMES = sorted({pin.name for pin in _PINS})


@pytest.fixture(scope="module")
def document() -> str:
    """The bill of materials of the lock file."""
    return sbom(_PINS)


def _purls(text: str) -> Iterator[str]:
    for line in text.splitlines():  # Read otherwise than `read_lock` reads it.
        if not line.startswith((" ", "#")):
            name, _, version = line.split()[0].partition("==")
            yield f"pkg:pypi/{name}@{version}"


def test_the_bill_of_materials_is_valid_by_the_published_schema(document: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None


def test_every_pin_is_in_it_and_nothing_else(document: str) -> None:
    components: list[dict[str, Any]] = json.loads(document)["components"]
    purls = [component["purl"] for component in components]
    assert sorted(purls) == sorted(_purls(_TEXT))
    assert purls == [f"pkg:pypi/{one['name']}@{one['version']}" for one in components]
    assert all(component["licenses"] for component in components)


def test_every_hash_of_the_lock_is_in_it(document: str) -> None:
    found = [
        entry["content"]
        for component in json.loads(document)["components"]
        for entry in component["hashes"]
        if entry["alg"] == "SHA-256"
    ]
    assert sorted(found) == sorted(re.findall(r"sha256:([0-9a-f]{64})", _TEXT))


def test_what_needs_what_reaches_every_package(document: str) -> None:
    needs = {one["ref"]: one.get("dependsOn", []) for one in json.loads(document)["dependencies"]}
    reached, waiting = set(), ["toxgrade"]
    while waiting:
        if (package := waiting.pop()) not in reached:
            reached.add(package)
            waiting += needs[package]
    assert reached == {"toxgrade", *_purls(_TEXT)}


def test_the_lock_is_of_what_the_image_serves() -> None:
    """Uploads of XLSX and XPT included."""
    project = tomllib.loads((LOCK.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["server"], *extras["xlsx"], *extras["xpt"]]
    direct = {pin.name for pin in _PINS if "toxgrade" in pin.required_by}
    assert direct == {re.split(r"[\[>=]", requirement)[0] for requirement in asked}


@pytest.mark.parametrize("name", _NAMES)
def test_its_licence_is_accepted(name: str) -> None:
    assert not_accepted(name, licence(name)) == set()


@pytest.mark.parametrize(
    ("name", "expression", "refused"),
    [
        ("any", "MIT", set()),
        ("any", "BSD-3-Clause AND (MIT OR Apache-2.0)", set()),
        ("any", "GPL-3.0-or-later", {"GPL-3.0-or-later"}),
        ("any", "MIT AND AGPL-3.0-only", {"AGPL-3.0-only"}),
        ("any", "LGPL-3.0-only", {"LGPL-3.0-only"}),
        ("psycopg", "LGPL-3.0-only", set()),
        ("psycopg", "GPL-3.0-only", {"GPL-3.0-only"}),
        ("any", "LicenseRef-Proprietary", {"LicenseRef-Proprietary"}),
        ("any", "Apache-2.0 WITH LLVM-exception", {"WITH", "LLVM-exception"}),  # Read it first.
    ],
)
def test_a_licence_that_is_not_listed_is_refused(
    name: str, expression: str, refused: set[str]
) -> None:
    assert not_accepted(name, expression) == refused


def test_the_page_of_licences_is_of_this_lock() -> None:
    assert LICENCES.read_text().endswith("\n\n" + licence_table(_PINS)), "make sbom writes it"
    assert set(ACCEPTED_BY_NAME) | set(READ_BY_HAND) <= set(_NAMES)


_FOUND = b"""{"dependencies": [{"name": "a", "version": "1", "vulns": [
    {"id": "PYSEC-1", "fix_versions": ["2"]}, {"id": "PYSEC-2", "fix_versions": []}]}]}"""
_UNSEEN = b"""{"dependencies": [{"name": "a", "skip_reason": "not found"},
    {"name": "b", "version": "1", "vulns": []}]}"""
_BOTH = b"""{"dependencies": [{"name": "a", "skip_reason": "not found"},
    {"name": "b", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}]}"""


@pytest.mark.parametrize(
    ("what", "ended", "report", "code", "told"),
    [
        ("all seen, nothing known", 0, None, NONE, ["No weakness of any package is known."]),
        ("the network is down", 1, None, NOT_KNOWN, ["NOT AUDITED, .*: no route"]),
        ("two are known", 1, _FOUND, SOME, ["a 1: PYSEC-1, mended in 2", "a 1: .* no version"]),
        ("one was not seen", 0, _UNSEEN, NOT_KNOWN, ["NOT AUDITED: 1 of 2. not found"]),
        ("one known, one not seen", 1, _BOTH, SOME, ["b 1: PYSEC-1, .*", "NOT AUDITED: 1 of 2.*"]),
    ],
)  # fmt: skip
def test_an_audit_says_what_it_has_not_seen(
    what: str, ended: int, report: bytes | None, code: int, told: list[str]
) -> None:
    found, lines = verdict(ended, report, "no route")
    assert found == code, what
    assert len(lines) == len(told)
    for line, pattern in zip(lines, told, strict=True):
        assert re.fullmatch(pattern, line)
