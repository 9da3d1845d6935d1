"""What a mapping file may hold, and how one that is something else is refused."""

import pytest

from toxgrade.errors import FileError
from toxgrade.tabular.mapping import mapping


@pytest.mark.parametrize(
    "text",
    [
        "[columns.patient]",
        ' [[ "wide" . column ]]',
        '[columns]\npatient.name = "Pat-ID"',
        '[analytes]\n"Na+".serum = "sodium"',
    ],
)
def test_a_key_with_dots_is_refused(text: str) -> None:
    """They made nested tables, which no mapping has, and thousands of them cost too much."""
    with pytest.raises(FileError, match=r"site\.toml: not a mapping \(a key with dots"):
        mapping([("site.toml", text.encode())])


def test_dots_in_quotes_and_in_texts_are_a_sites_own() -> None:
    text = '# [a.b]\n[columns]\npatient = "Pat.ID"\n[analytes]\n"Na+ (S.I.)" = "sodium"\n'
    found = mapping([("site.toml", text.encode())])
    assert found.columns == {"patient": "Pat.ID"}
    assert found.dictionary == {"analytes": {"Na+ (S.I.)": "sodium"}}
