"""How an Observation is read: a table of what real systems send, and what is taken from it."""

from datetime import date
from typing import Any

import pytest

from tests.fhir.resources import UCUM, coded, observation, quantity
from toxgrade.criteria.reader import load
from toxgrade.fhir.observation import ObservedValue, read_observation
from toxgrade.fhir.reference_range import UNKNOWN_PERSON, Person
from toxgrade.grading.units import Names
from toxgrade.tabular.ndjson import observation_rows

NAMES = Names(load().analytes.values())
WOMAN_OF_1950 = Person("female", date(1950, 6, 1))


def read(person: Person = UNKNOWN_PERSON, **changed: object) -> ObservedValue:
    (one,) = read_observation(observation(**changed), NAMES, person)
    return one


def notes(one: ObservedValue) -> list[tuple[str, str]]:
    return [(note.path, note.code) for note in one.notes]


def test_a_plain_one_is_taken_as_it_is() -> None:
    assert read() == ObservedValue(
        path="", analyte="1975-2", value="1.8", unit="mg/dL", lln="0.2", uln="1.2",
        limit_unit=None, collected="2011-04-23", status="final", source_id="o1", issued=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "analyte", "noted"),
    [
        (coded("1742-6"), "1742-6", []),
        # every coding is looked at, not the first alone
        ({"coding": [*coded("X1", system="urn:local")["coding"], *coded("1742-6")["coding"]]},
         "1742-6", []),
        ({"coding": [*coded("99999-9")["coding"], *coded("1742-6")["coding"]]}, "1742-6", []),
        ({"coding": coded("1742-6", "1743-4")["coding"]}, "1742-6", []),  # both are ALT
        # total and direct bilirubin, ALT and AST: contradictions
        (coded("1975-2", "1968-7"), "1975-2|1968-7", [("code", "contradiction")]),
        (coded("1742-6", "1920-8"), "1742-6|1920-8", [("code", "contradiction")]),
        # codes, not display texts; a code of another system is not an alias
        ({"text": "ALT"}, "(no code)", []),
        ({"coding": [{"display": "ALT"}]}, "(no code)", []),
        (coded("ALT", system="urn:local"), "urn:local|ALT", []),
        ({"coding": [{"code": "ALT"}]}, "|ALT", []),
        ({"coding": "ALT"}, "(no code)", []),
        ("ALT", "(no code)", []),
        (None, "(no code)", []),
        (coded("1742-6", system="urn:oid:2.16.840.1.113883.6.1"), "1742-6", []),
    ],
)  # fmt: skip
def test_codes(code: object, analyte: str, noted: list[tuple[str, str]]) -> None:
    one = read(code=code)
    assert (one.analyte, notes(one)) == (analyte, noted)
    known = NAMES.analyte(analyte)
    assert (known is not None) == (analyte == "1742-6")


@pytest.mark.parametrize(
    ("changes", "value", "unit", "noted"),
    [
        ({"valueQuantity": quantity("1.80", "mg/dL", comparator="<")}, "<1.80", "mg/dL", []),
        ({"valueQuantity": quantity(2, "mg/dL", comparator=">=")}, ">=2", "mg/dL", []),
        ({"valueQuantity": quantity("2", "mg/dL", comparator="ad")}, "unreadable", "mg/dL",
         [("valueQuantity.comparator", "comparator")]),
        # numbers as texts are read, and said
        ({"valueQuantity": {"value": "9.7", "unit": "mg/dL"}}, "9.7", "mg/dL",
         [("valueQuantity.value", "string-number")]),
        ({"valueQuantity": {"value": True, "unit": "mg/dL"}}, "unreadable", "mg/dL", []),
        ({"valueQuantity": {"unit": "mg/dL"}}, None, "mg/dL", []),
        ({"valueQuantity": [1.8]}, "unreadable", None, []),
        # the UCUM code goes before the text; where they are different units that is said
        ({"valueQuantity": {"value": 2, "unit": "mg/dl", "system": UCUM, "code": "mg/dL"}},
         "2", "mg/dL", []),
        ({"valueQuantity": {"value": 2, "unit": "mg/dL", "system": UCUM, "code": "mg/L"}},
         "2", "mg/L", [("valueQuantity.unit", "unit-disagreement")]),
        ({"valueQuantity": {"value": 2, "unit": "mg/dL", "system": "urn:x", "code": "258797006"}},
         "2", "mg/dL", []),
        ({"valueQuantity": {"value": 2, "code": "mg/dL"}}, "2", "mg/dL", []),
        # a mass code with a molar unit, and the reverse
        ({"valueQuantity": quantity(30, "umol/L")}, "30", "umol/L",
         [("valueQuantity", "code-unit-mismatch")]),
        ({"valueQuantity": quantity(2, "mg/dL"), "code": coded("14631-6")}, "2", "mg/dL",
         [("valueQuantity", "code-unit-mismatch")]),
        # no number
        ({"valueQuantity": None, "dataAbsentReason": {"text": "QNS"}}, None, None, []),
        ({"dataAbsentReason": {"text": "error"}}, None, "mg/dL",
         [("dataAbsentReason", "contradiction")]),
        ({"valueQuantity": None, "valueString": "hemolysed"}, None, None,
         [("valueString", "not-a-number")]),
        ({"valueQuantity": None, "valueString": "<0.2"}, "<0.2", None, []),
        # a number and its unit in one text; no other text is taken for a unit
        ({"valueQuantity": None, "valueString": "1.8 mg/dL"}, "1.8", "mg/dL", []),
        ({"valueQuantity": None, "valueString": " <0.2mg/dL"}, "<0.2", "mg/dL", []),
        ({"valueQuantity": None, "valueString": "1.8 high"}, None, None,
         [("valueString", "not-a-number")]),
        ({"valueQuantity": None, "valueString": "1.8 g/L"}, None, None,
         [("valueString", "not-a-number")]),
        ({"valueQuantity": None, "valueString": "1,8 mg/dL"}, None, None,
         [("valueString", "not-a-number")]),
        ({"valueQuantity": None, "valueString": "1.8 10*9/L", "code": coded("6690-2")},
         "1.8", "10*9/L", []),
        ({"valueQuantity": None, "valueInteger": 7}, "7", None, []),
        ({"valueQuantity": None, "valueCodeableConcept": {"text": "low"}}, None, None,
         [("valueCodeableConcept", "not-a-number")]),
        ({"valueQuantity": None}, None, None, []),
        ({"modifierExtension": [{"url": "urn:x"}]}, "unreadable", "mg/dL",
         [("modifierExtension", "not-understood")]),
        ({"implicitRules": "urn:x"}, "unreadable", "mg/dL", [("implicitRules", "not-understood")]),
        ({"valueQuantity": quantity(2, "mg/dL", modifierExtension=[{"url": "urn:x"}])},
         "unreadable", "mg/dL", [("valueQuantity.modifierExtension", "not-understood")]),
        ({"code": {"coding": [{"code": "1975-2", "system": "http://loinc.org",
                               "modifierExtension": [{}]}]}}, "unreadable", "mg/dL",
         [("code.coding[0].modifierExtension", "not-understood")]),
    ],
)  # fmt: skip
def test_values_and_units(
    changes: dict[str, Any], value: str | None, unit: str | None, noted: list[tuple[str, str]]
) -> None:
    one = read(referenceRange=None, **changes)
    assert (one.value, one.unit, notes(one)) == (value, unit, noted)


@pytest.mark.parametrize(
    ("ranges", "limits", "noted"),
    [
        ([], (None, None, None), []),
        ([{}], (None, None, None), []),
        ([{"high": quantity("1.2")}], (None, "1.2", None), []),  # in the value's unit
        ([{"high": quantity(20, "umol/L")}], (None, "20", "umol/L"), []),
        ([{"low": quantity(0), "high": quantity(0)}], ("0", "0", None), []),  # 0-0: graded absent
        ([{"low": quantity(3, "umol/L"), "high": quantity("1.2", "mg/dL")}], (None, None, None),
         [("referenceRange[0]", "range-units")]),
        ([{"high": quantity("1.2", comparator="<")}], (None, "<1.2", None), []),
        ([{"text": "0.2 - 1.2 mg/dL"}], ("0.2", "1.2", None), []),
        ([{"text": "<1.2"}], (None, "1.2", None), []),
        ([{"text": "Not Estab."}], (None, None, None), []),
        ([{"text": "0-2-7.2"}], (None, "0-2-7.2", None),
         [("referenceRange[0].text", "unreadable-limit")]),
        # only normal ranges count
        ([{"type": coded("normal", system="urn:m"), "high": quantity("1.2")},
          {"type": coded("critical", system="urn:m"), "high": quantity(15)},
          {"type": coded("treatment", system="urn:m"), "high": quantity(5)}],
         (None, "1.2", None), []),
        ([{"type": {"text": "Normal Range"}, "high": quantity("1.2")}], (None, "1.2", None), []),
        *(([range_ | {"high": quantity(15)}], (None, None, None),
           [("referenceRange[0]", "range-not-normal")])
          for range_ in ({"meaning": coded("critical")}, {"type": coded("treatment")},
                         {"type": {"text": "Therapeutic"}})),
        # several that could apply: none; twice the same: that one
        ([{"high": quantity("1.2")}, {"high": quantity("1.5")}], (None, None, None),
         [("referenceRange", "several-ranges")]),
        ([{"high": quantity("1.2")}, {"high": quantity("1.2")}], (None, "1.2", None), []),
        # for one sex or age, of a person of whom nothing is known
        ([{"appliesTo": [coded("female")], "high": quantity("1.2")}], (None, None, None),
         [("referenceRange[0]", "range-not-applicable")]),
        ([{"age": {"low": quantity(18, "a")}, "high": quantity("1.2")}], (None, None, None),
         [("referenceRange[0]", "range-not-applicable")]),
        ([{"appliesTo": [coded("pregnant")], "high": quantity("1.2")}], (None, None, None),
         [("referenceRange[0]", "range-not-applicable")]),
        # a limit without a number says nothing: then the text does, whole or for one side
        ([{"low": {"unit": "mg/dL"}, "high": {"unit": "mg/dL"}, "text": "0.2-1.2"}],
         ("0.2", "1.2", None), []),
        ([{"low": {"unit": "mg/dL"}}], (None, None, None), []),
        ([{"low": quantity("0.2"), "text": "0.2-1.2"}], ("0.2", "1.2", None), []),
        ([{"low": quantity("0.2"), "high": {"unit": "mg/dL"}, "text": "0.2 - 1.2 mg/dl"}],
         ("0.2", "1.2", "mg/dl"), []),
        ([{"high": quantity("1.2", "mg/dL"), "text": "3.4 - 20.5 umol/L"}],
         (None, "1.2", None), []),
        ([{"low": quantity("0.2"), "text": "0.2-1.2 mmHg"}], (None, None, None),
         [("referenceRange[0]", "range-not-applicable")]),
        ([{"high": quantity("1.2"), "text": "0.2-1.3"}], (None, None, None),
         [("referenceRange[0].text", "contradiction")]),
        ([{"high": quantity("1.2"), "modifierExtension": [{"url": "urn:x"}]}], (None, None, None),
         [("referenceRange[0]", "range-not-applicable")]),
        # a text that names something else than normal
        *(([{"high": quantity("1.2", "mg/dL"), "text": text}], (None, None, None),
           [("referenceRange[0]", "range-not-applicable")])
          for text in ("Critical Range", "PANIC", "Therapeutic: 0.2-1.2", "Adult male",
                       "0-1.2 (men)", "Third trimester", "target",
                       "fasting 0.2-1.2 mg/dL", "0.2-1.2 {female}", "♀", "♂ 0.2-1.2", "female",
                       "weiblich", "male", "männlich", "m", "w", "children", "Kinder", "👶", "🤰",
                       "18+", "SSW 20", "pregnant")),
        # the critical one does not hide the normal one
        ([{"high": quantity(15), "text": "Critical"}, {"high": quantity("1.2")}],
         (None, "1.2", None), [("referenceRange[0]", "range-not-applicable")]),
        # a text that repeats them
        *(([{"low": quantity("0.2", "mg/dL"), "high": quantity("1.2", "mg/dL"), "text": text}],
           ("0.2", "1.2", None), [])
          for text in ("Normal Range", "0.2 - 1.2 mg/dL", "Reference range: 0.20-1.20 mg/dl", "",
                       "normal (0.2 to 1.2)", "0.2-1.2 MG/DL", "[0.2-1.2]", "Normalbereich")),
        ({"high": quantity("1.2")}, (None, "1.2", None), []),  # not a list
        ("0.2-1.2", (None, None, None), []),
    ],
)  # fmt: skip
def test_ranges(
    ranges: object, limits: tuple[str | None, ...], noted: list[tuple[str, str]]
) -> None:
    one = read(referenceRange=ranges)
    assert ((one.lln, one.uln, one.limit_unit), notes(one)) == (limits, noted)


@pytest.mark.parametrize(
    ("applies", "uln"),
    [
        ({"appliesTo": [coded("female")]}, "1.2"),
        ({"appliesTo": [coded("248152002")]}, "1.2"),
        ({"appliesTo": [coded("male")]}, None),
        ({"appliesTo": [coded("female"), coded("pregnant")]}, None),
        ({"age": {"low": quantity(18, "a"), "high": quantity(60, "a")}}, "1.2"),  # aged 60
        ({"age": {"low": quantity(61, "a")}}, None),
        ({"age": {"high": quantity(59, "a")}}, None),
        ({"age": {"high": quantity(800, "mo")}}, "1.2"),
        ({"age": {"high": quantity(800, "d")}}, None),
        ({"age": {"low": quantity(18, "parsec")}}, None),
        ({"age": {"low": quantity("18.5", "a")}}, None),
        ({"age": {}}, "1.2"),
        # words that say what codes say are fine, others not
        ({"appliesTo": [coded("female")], "text": "Women"}, "1.2"),
        ({"appliesTo": [coded("female")], "text": "Women, pregnant"}, None),
        ({"appliesTo": [coded("female")], "text": "Male"}, None),
        ({"text": "Women"}, None),
        ({"age": {"low": quantity(18, "a")}, "text": "Adults over 18 years"}, None),
        ({"age": {"low": quantity(18, "a")}, "text": "Adults, 18 years and up"}, "1.2"),
    ],
)
def test_ranges_for_a_person_who_is_known(applies: dict[str, Any], uln: str | None) -> None:
    given = [{"high": quantity("1.2"), **applies}]
    assert read(WOMAN_OF_1950, referenceRange=given).uln == uln


def test_a_range_for_each_sex() -> None:
    ranges = [
        {"appliesTo": [coded("male")], "high": quantity("1.2")},
        {"appliesTo": [coded("female")], "high": quantity("0.9")},
    ]
    assert read(WOMAN_OF_1950, referenceRange=ranges).uln == "0.9"


@pytest.mark.parametrize(
    ("changes", "collected", "noted"),
    [
        ({"effectiveDateTime": "2011-04-23T13:09:09.684+00:00"}, "2011-04-23T13:09:09.684+00:00",
         []),
        ({"effectiveDateTime": "2011-04"}, "2011-04", []),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2011-04-22",
                                                         "end": "2011-04-24"}}, "2011-04-24", []),
        ({"effectiveDateTime": None, "effectiveInstant": "2011-04-23T13:09:09Z"},
         "2011-04-23T13:09:09Z", []),
        ({"effectiveDateTime": None, "issued": "2011-04-25T00:00:00Z"}, None,
         [("effective", "no-date")]),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2011-04-22"}}, None,
         [("effective", "no-date")]),
        ({"effectiveDateTime": "23/04/2011"}, "23/04/2011", []),  # for the grader to say so
        ({"effectiveDateTime": 20110423}, "unreadable", []),
    ],
)  # fmt: skip
def test_dates(
    changes: dict[str, Any], collected: str | None, noted: list[tuple[str, str]]
) -> None:
    one = read(**changes)
    assert (one.collected, notes(one)) == (collected, noted)


@pytest.mark.parametrize(
    ("changes", "status", "source_id"),
    [
        ({"status": "entered-in-error"}, "entered-in-error", "o1"),
        ({"status": "registered"}, "registered", "o1"),
        ({"status": None}, "unknown", "o1"),
        ({"status": "done"}, "unknown", "o1"),
        ({"status": ["final"]}, "unknown", "o1"),
        ({"id": None, "identifier": [{"system": "urn:lab", "value": "7"}]}, "final", "urn:lab|7"),
        ({"id": None}, "final", None),
    ],
)
def test_status_and_identity(changes: dict[str, Any], status: str, source_id: str | None) -> None:
    one = read(**changes)
    assert (one.status, one.source_id) == (status, source_id)


def test_the_later_of_two_versions_is_told_by_the_server_first() -> None:
    meta = {"lastUpdated": "2011-04-26T10:00:00Z"}
    assert read(issued="2011-04-25T10:00:00Z").issued == "2011-04-25T10:00:00Z"
    assert read(issued="2011-04-25T10:00:00Z", meta=meta).issued == meta["lastUpdated"]


def test_a_component_that_is_not_understood_is_not_read() -> None:
    part = {"code": coded("6690-2"), "valueQuantity": quantity("2.8", "10*9/L")}
    panel = observation(
        code=coded("58410-2"), valueQuantity=None, referenceRange=None,
        component=[part, part | {"code": coded("777-3"), "modifierExtension": [{"url": "urn:x"}]}],
    )  # fmt: skip
    white, platelets = read_observation(panel, NAMES)
    assert (white.value, platelets.value) == ("2.8", "unreadable")
    assert notes(platelets) == [("component[1].modifierExtension", "not-understood")]


def test_components_have_their_own_codes_values_and_ranges() -> None:
    panel = observation(
        code=coded("58410-2"), valueQuantity=None, referenceRange=None,
        component=[
            {"code": coded("6690-2"), "valueQuantity": quantity("2.8", "10*9/L")},
            {"code": coded("777-3"), "valueQuantity": quantity(90, "10*9/L"),
             "referenceRange": [{"text": "?1-2"}]},
        ],
    )  # fmt: skip
    white, platelets = read_observation(panel, NAMES)
    assert (white.path, white.analyte, white.value) == ("component[0]", "6690-2", "2.8")
    assert (platelets.path, platelets.collected) == ("component[1]", "2011-04-23")
    assert notes(platelets) == [("component[1].referenceRange[0].text", "unreadable-limit")]
    assert len(read_observation(panel | {"valueInteger": 2}, NAMES)) == 3


def test_a_panel_of_members_has_no_value_of_its_own() -> None:
    panel = observation(valueQuantity=None, hasMember=[{"reference": "Observation/2"}])
    assert read_observation(panel, NAMES) == []


@pytest.mark.parametrize(
    ("reference", "patient"),
    [
        ("Patient/1", "1"),
        ("https://ehr.example/fhir/Patient/1", "1"),
        ("Patient/1/_history/4", "1"),
        ("urn:uuid:3afaeb2a", "3afaeb2a"),
        ("Group/1", None),
        ("#p", None),
        ("Patient?identifier=urn:mrn|7", None),
        ("", None),
    ],
)
def test_a_row_is_of_the_patient_whom_it_names(reference: str, patient: str | None) -> None:
    (row,) = observation_rows(observation(subject={"reference": reference}), NAMES)
    assert row["patient"] == patient


def test_rows_of_an_export_name_the_patient() -> None:
    (row,) = observation_rows(observation(), NAMES)
    assert (row["patient"], row["analyte"], row["uln"]) == ("1", "1975-2", "1.2")
    with pytest.raises(ValueError, match="expected resourceType Observation"):
        observation_rows({"resourceType": "Patient"}, NAMES)
