"""A file is there whole or as it was before, and there is one place that sees to it."""

from pathlib import Path

import pytest

import toxgrade
from toxgrade.errors import FileError
from toxgrade.tabular.whole_file import replaced, whole

_HOME = "tabular/whole_file.py"


def test_a_file_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "grades.csv"
    path.write_text("before")
    with replaced(path) as unfinished:
        unfinished.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a row")])
def test_an_error_leaves_the_file_before_and_nothing_else(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "grades.csv"
    path.write_text("before")

    def write() -> None:
        with replaced(path) as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]


def test_a_user_s_file_is_named(tmp_path: Path) -> None:
    text = r"^grades\.csv: No space left on device$"
    with pytest.raises(FileError, match=text), whole(tmp_path / "grades.csv"):
        raise OSError(28, "No space left on device")


def test_no_other_module_renames_a_file() -> None:
    root = Path(toxgrade.__file__).parent
    found = {
        p.relative_to(root).as_posix() for p in root.rglob("*.py") if "os.replace(" in p.read_text()
    }
    assert found == {_HOME}
