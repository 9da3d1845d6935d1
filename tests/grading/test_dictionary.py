"""A site's own names of tests, units and specimens: whatever grades by them grades alike."""

import pytest

from toxgrade.criteria.reader import load
from toxgrade.errors import ParseError, RequestError
from toxgrade.fhir.concept_map import read_concept_map
from toxgrade.grading.dictionary import Dictionary, dictionary_of, read_dictionary
from toxgrade.grading.units import Names

_ANALYTES = load().analytes
_SITE = {
    "analytes": {
        "POTAS": "potassium", "http://lab.example|K+": "2823-3", "L|CA": "calcium",
        "pH ven": "venous pH", "Kalium im Serum": "potassium",
    },
    "units": {"cells/cumm": "/mm3", "TH/mm3": "10*3/uL", "units": "1"},
    "specimens": {"SST": "serum", "VBG": "venous blood", "DU": "other", "Blut im Stuhl": "other"},
}  # fmt: skip


def _names() -> Names:
    return Names(_ANALYTES.values(), read_dictionary(_SITE, _ANALYTES.values()))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("POTAS", "potassium"), ("potas ", "potassium"), ("Kalium im Serum", "potassium"),
        ("http://lab.example|K+", "potassium"), ("L|CA", "calcium"), ("pH ven", "pH"),
        ("http://any.example|POTAS", "potassium"),  # a code that is declared without a system
        ("potassium", "potassium"), ("2823-3", "potassium"),  # ours still hold
        ("http://other.example|K+", None), ("K+", "potassium"), ("POTAS2", None), ("kalium", None),
    ],
)  # fmt: skip
def test_names_of_tests(theirs: str, ours: str | None) -> None:
    found = _names().analyte(theirs)
    assert (found and found.name) == ours


@pytest.mark.parametrize(
    ("analyte", "theirs", "ours"),
    [
        ("platelets", "cells/cumm", "/mm3"), ("platelets", "TH/mm3", "10*9/L"),
        ("pH", "units", "1"), ("ALT", "units", None), ("ALT", "cells/cumm", None),
        ("ALT", "U/L", "U/L"),
    ],
)  # fmt: skip
def test_units(analyte: str, theirs: str, ours: str | None) -> None:
    found = _names().unit(_ANALYTES[analyte], theirs)
    assert (found and found.name) == ours


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [
        ("SST", "blood"),
        ("sst", "blood"),
        ("VBG", "venous"),
        ("DU", "other"),
        ("URINE", "other"),
        ("SERUM", "blood"),
        (None, "blood"),
        ("Blut im Stuhl", "other"),
        ("XYZ", "other"),
    ],
)
def test_specimens(theirs: str | None, kind: str) -> None:
    assert _names().specimen(theirs) == kind


def test_a_name_of_ours_may_mean_something_else_at_a_site() -> None:
    """The site's name goes first; what makes a stored result the same one does not change."""
    site = read_dictionary({"analytes": {"CA": "ionized calcium"}}, _ANALYTES.values())
    names = Names(_ANALYTES.values(), site)
    found, own = names.analyte("CA"), names.own.analyte("CA")
    assert (found and found.name, own and own.name) == ("ionized calcium", "calcium")


def test_a_name_may_say_that_the_sample_is_venous() -> None:
    assert _names().is_venous("pH ven")
    assert not _names().is_venous("pH")


@pytest.mark.parametrize(
    ("table", "pairs", "code", "accepted"),
    [
        ("analytes", {"X": "kalium"}, "unknown-analyte", "LOINC"),
        ("analytes", {"": "potassium"}, "dictionary-name", "1 to 200"),
        ("analytes", {"a" * 201: "potassium"}, "dictionary-name", "1 to 200"),
        ("analytes", {"X\x07": "potassium"}, "dictionary-name", "printable"),
        ("analytes", {"X": "potassium", "x ": "sodium"}, "dictionary-twice", "twice"),
        ("units", {"x": "furlong"}, "unknown-unit", "10*9/L"),
        ("specimens", {"x": "urine"}, "unknown-specimen", "other"),
        ("specimens", {"x": ""}, "unknown-specimen", "other"),
        ("names", {"x": "potassium"}, "unknown-table", "analytes, units, specimens"),
    ],
)
def test_entries_that_are_not_understood(
    table: str, pairs: dict[str, str], code: str, accepted: str
) -> None:
    with pytest.raises(RequestError) as caught:
        read_dictionary({table: pairs}, _ANALYTES.values())
    (fault,) = caught.value.faults
    assert (fault.loc[0], fault.code) == (table, code)
    assert accepted in fault.message


def test_one_hash_whatever_the_order() -> None:
    turned = {table: dict(reversed(pairs.items())) for table, pairs in reversed(_SITE.items())}
    one, other = (read_dictionary(given, _ANALYTES.values()) for given in (_SITE, turned))
    assert (one, one.sha256) == (other, other.sha256)
    assert dictionary_of(one.document()) == one
    assert not dictionary_of(None)
    assert Dictionary().sha256 != one.sha256


_CONCEPTS = {
    "resourceType": "ConceptMap",
    "status": "active",
    "group": [
        {
            "source": "http://lab.example", "target": "http://loinc.org",
            "element": [
                {"code": "K+", "target": [{"code": "2823-3", "equivalence": "equivalent"}]},
                {"code": "NA+", "target": [{"code": "2951-2", "relationship": "equivalent"}]},
            ],
        },
        {
            "source": "http://lab.example/units", "target": "http://unitsofmeasure.org",
            "element": [{"code": "cells/cumm", "target": [{"code": "/mm3"}]}],
        },
        {
            "target": "http://snomed.info/sct",
            "element": [{"code": "SST", "target": [{"code": "119364003", "equivalence": "equal"}]}],
        },
    ],
}  # fmt: skip


def test_a_concept_map_is_a_dictionary() -> None:
    assert read_concept_map(_CONCEPTS) == {
        "analytes": {"http://lab.example|K+": "2823-3", "http://lab.example|NA+": "2951-2"},
        "units": {"cells/cumm": "/mm3"},
        "specimens": {"SST": "119364003"},
    }
    assert read_dictionary(read_concept_map(_CONCEPTS), _ANALYTES.values())


@pytest.mark.parametrize(
    "group",
    [
        {"target": "http://other.example", "element": []},
        {"target": "http://loinc.org", "element": [{"code": "K", "target": []}]},
        {"target": "http://loinc.org", "element": [{"target": [{"code": "2823-3"}]}]},
        {"target": "http://loinc.org",
         "element": [{"code": "K", "target": [{"code": "2823-3", "equivalence": "wider"}]}]},
        {"target": "http://loinc.org",
         "element": [{"code": "K", "target": [{"code": "2823-3"}, {"code": "6298-4"}]}]},
    ],
)  # fmt: skip
def test_a_concept_map_that_does_not_say_what_is_equal_is_refused(group: object) -> None:
    with pytest.raises(ParseError, match="expected"):
        read_concept_map({"resourceType": "ConceptMap", "group": [group]})
