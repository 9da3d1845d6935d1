"""Each rule and its counterpart on columns stand under one name, are listed, and have a test."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_GRADING = _ROOT / "app/toxgrade/grading"
_LIST = (_ROOT / "docs/architecture.md").read_text("utf-8").partition("## Counterparts")[2]


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.py")} - {"__init__.py"}


def _listed(kind: str) -> set[str]:
    """Return the files that an entry of the list names; of other folders none."""
    entry = re.split(r"\n\n|\n- ", _LIST.partition(f"- **{kind}**: ")[2])[0]
    return set(re.findall(r"`([a-z_]+\.py)`", entry))


_TWINS = sorted(_files(_GRADING) & _files(_GRADING / "columns"))


def test_the_list_names_every_file_once() -> None:
    twins = _listed("Twins")
    plain = [twins, _listed("Serve both"), _listed("Plain alone")]
    assert twins == set(_TWINS)
    assert sorted(name for part in plain for name in part) == sorted(_files(_GRADING))
    assert _listed("Columns alone") | twins == _files(_GRADING / "columns")
    assert not _listed("Columns alone") & twins


@pytest.mark.parametrize("name", _TWINS)
def test_a_property_test_is_named_after_each_pair(name: str) -> None:
    test = (Path(__file__).parent / f"test_{name}").read_text("utf-8")
    assert "@given" in test
    assert "toxgrade.grading" in test or "one_by_one" in test
