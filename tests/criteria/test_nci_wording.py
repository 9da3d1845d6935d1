"""The criteria files repeat NCI's own table: wording, MedDRA code and system organ class."""

import pytest

from tests.criteria.second_reader import NCI, limits_of, prints_a_limit
from toxgrade.criteria.model import Term
from toxgrade.criteria.reader import load

_EDITIONS = load().editions
_TERMS: dict[tuple[str, str], list[Term]] = {}
for _edition in _EDITIONS.values():
    for _term in _edition.terms:
        _TERMS.setdefault((_edition.name, _term.name), []).append(_term)

# These laboratory terms have only cells about treatment or symptoms in that edition.
_CLINICAL_ONLY = {
    "4.03": set(),
    "5.0": {"Hyperglycemia", "Hypophosphatemia"},
    "6.0": {"Hypophosphatemia"},
}


@pytest.mark.parametrize("edition", _EDITIONS)
def test_the_file_has_all_laboratory_terms_that_a_number_can_grade(edition: str) -> None:
    printed = {name for name, editions in NCI.items() if edition in editions}
    found = {name for where, name in _TERMS if where == edition}
    assert found == printed - _CLINICAL_ONLY[edition]
    for name in _CLINICAL_ONLY[edition]:
        assert not any(prints_a_limit(text) for text in NCI[name][edition]["grades"].values())


@pytest.mark.parametrize(("edition", "name"), _TERMS)
def test_every_grade_says_what_nci_prints(edition: str, name: str) -> None:
    printed = {int(grade): text for grade, text in NCI[name][edition]["grades"].items() if text}
    wordings: dict[int, str] = {}
    for term in _TERMS[edition, name]:
        own = {c.grade: c.says for c in term.grades}
        assert own.items() <= printed.items()
        wordings |= own
    assert wordings == printed


@pytest.mark.parametrize(("edition", "name"), _TERMS)
def test_code_and_system_organ_class_are_ncis(edition: str, name: str) -> None:
    nci = NCI[name][edition]
    for term in _TERMS[edition, name]:
        assert (term.meddra, term.soc) == (nci["code"], nci["soc"])


@pytest.mark.parametrize(("edition", "name"), _TERMS)
def test_only_a_cell_without_a_limit_is_left_to_the_clinician(edition: str, name: str) -> None:
    for term in _TERMS[edition, name]:
        for criterion in term.grades:
            read = limits_of(edition, name, criterion.grade, term.analyte)
            assert criterion.clinical is not bool(read)
