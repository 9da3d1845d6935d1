"""A site's own names of tests, units and specimens: whatever grades by them grades alike."""

import pytest

from toxgrade.criteria.reader import load
from toxgrade.errors import RequestError
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
    "specimens": {"SST": "serum", "VBG": "venous blood", "DU": "other", "Blut im Stuhl": "other",
        "http://lab.example|S7": "serum",
    },
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
        ("S7", "blood"),  # specimens are looked up by their code, whatever its system
    ],
)
def test_specimens(theirs: str | None, kind: str) -> None:
    assert _names().specimen(theirs) == kind


@pytest.mark.parametrize(
    ("told", "specimen"),
    [
        ([("", "SST")], "SST"),
        ([("Serum", "DU")], "DU"),  # the site's word goes before a text
        ([("yellow", "1"), ("Serum", "")], "yellow"),  # of two specimens one is not known
        ([("Serum", "1")], "Serum"),
        ([("Serum", "SER"), ("Urine", "UR")], "Urine"),
        ([("Blood", "BLDV")], "BLDV"),
        ([("", "")], None),
        ([], None),
    ],
)
def test_the_specimen_of_several_names(told: list[tuple[str, ...]], specimen: str | None) -> None:
    assert _names().one_specimen(told) == specimen


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
        ("units", {"http://lab.example|mM": "mmol/L"}, "dictionary-name", "without its system"),
        ("specimens", {"A|S": "serum", "B|S": "other"}, "dictionary-twice", "twice"),
        ("analytes", {"()": "potassium"}, "dictionary-name", "1 to 200"),
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


def _read(*groups: object, **more: object) -> dict[str, dict[str, str]]:
    return read_concept_map(
        {"resourceType": "ConceptMap", "group": list(groups), **more}, _ANALYTES.values()
    )


def _loinc(*elements: object, **more: object) -> dict[str, object]:
    group = {"source": "http://lab.example", "target": "http://loinc.org"}
    return {**group, "element": list(elements), **more}


def test_a_concept_map_is_a_dictionary() -> None:
    tables = read_concept_map(_CONCEPTS, _ANALYTES.values())
    assert tables == {
        "analytes": {"http://lab.example|K+": "2823-3", "http://lab.example|NA+": "2951-2"},
        "units": {"cells/cumm": "/mm3"},
        "specimens": {"SST": "119364003"},
    }
    assert read_dictionary(tables, _ANALYTES.values())


_K = {"code": "K", "target": [{"code": "2823-3", "equivalence": "equivalent"}]}
_MAPPED = {"analytes": {"http://lab.example|K": "2823-3"}}


@pytest.mark.parametrize(
    "beside",
    [
        {"code": "X", "target": [{"equivalence": "unmatched"}]},  # R4: there is no such code
        {"code": "X", "noMap": True},  # R5: the same
        {"code": "TSH", "target": [{"code": "3016-3", "equivalence": "equal"}]},  # not graded
        {"code": "DBIL", "target": [{"code": "1968-7", "equivalence": "equal"}]},  # direct
        {"code": "K", "target": [
            {"code": "2823-3", "equivalence": "equal"}, {"code": "6298-4", "equivalence": "wider"},
        ]},
    ],
)  # fmt: skip
def test_a_concept_map_of_a_whole_laboratory_is_read_as_far_as_it_is_graded(
    beside: dict[str, object],
) -> None:
    assert _read(_loinc(_K, beside)) == _MAPPED


def test_systems_of_a_concept_map_may_have_their_version_behind_them() -> None:
    versions = {"source": "http://lab.example|1.0", "target": "http://loinc.org|2.76"}
    assert _read(_loinc(_K, **versions)) == _MAPPED


@pytest.mark.parametrize(
    ("system", "specimens"),
    [
        ("http://snomed.info/sct", {"119364003": "119364003", "122575003": "other"}),
        ("http://terminology.hl7.org/CodeSystem/v2-0487", {"SER": "SER", "UR": "other"}),
    ],
)
def test_specimens_that_are_no_blood_are_other_ones(system: str, specimens: dict[str, str]) -> None:
    elements = [{"code": code, "target": [{"code": code}]} for code in specimens]
    assert _read({"target": system, "element": elements}) == {"specimens": specimens}


def _to(*targets: object) -> dict[str, object]:
    return _loinc({"code": "K", "target": list(targets)})


@pytest.mark.parametrize(
    ("group", "code"),
    [
        ({"target": "http://other.example", "element": []}, "concept-map-target"),
        ({"target": ["http://loinc.org"], "element": []}, "concept-map-target"),
        ({"target": {"x": 1}, "element": []}, "concept-map-target"),
        (_loinc({"target": [{"code": "2823-3"}]}), "concept-map-element"),
        (_to({"code": "2823-3", "equivalence": "wider"}), "concept-map-element"),
        (_to({"code": "2823-3", "equivalence": "relatedto"}), "concept-map-element"),
        (_to({"code": "2823-3", "relationship": "related-to"}), "concept-map-element"),
        (_to({"code": "2823-3", "equivalence": ["equal"]}), "concept-map-element"),
        (_to({"code": "2823-3", "dependsOn": [{"property": "x"}]}), "concept-map-element"),
        (_to({"code": "2823-3"}, {"code": "6298-4"}), "concept-map-element"),
        (_loinc(_K, {"code": "K", "target": [{"code": "2951-2"}]}), "dictionary-twice"),
        (_loinc({**_K, "modifierExtension": [{"url": "x"}]}), "not-understood"),
        (_to(), "concept-map-empty"),
        (_to({"code": "3016-3"}), "concept-map-empty"),
        ("x", "concept-map-empty"),
    ],
)
def test_a_concept_map_that_does_not_say_what_is_equal_is_refused(group: object, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        _read(group)
    assert caught.value.faults[0].code == code


@pytest.mark.parametrize(
    ("theirs", "table"),
    [
        (("K (total)", "K total"), "analytes"),  # one name, however it is written
        (("http://loinc.org|22664-7", "LN|22664-7"), "analytes"),
    ],
)
def test_two_names_that_are_looked_up_as_one_are_there_twice(
    theirs: tuple[str, str], table: str
) -> None:
    given = {table: dict(zip(theirs, ("potassium", "sodium"), strict=True))}
    with pytest.raises(RequestError) as caught:
        read_dictionary(given, _ANALYTES.values())
    assert caught.value.faults[0].code == "dictionary-twice"


@pytest.mark.parametrize("theirs", ["http://loinc.org|22664-7", "LN|22664-7", "22664-7"])
def test_a_loinc_code_may_be_mapped_with_its_system(theirs: str) -> None:
    site = read_dictionary({"analytes": {theirs: "potassium"}}, _ANALYTES.values())
    found = Names(_ANALYTES.values(), site).analyte("22664-7")
    assert (found and found.name) == "potassium"
