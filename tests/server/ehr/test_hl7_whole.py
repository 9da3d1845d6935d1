"""Nothing of an HL7 v2 message is lost: each OBX is stored, rightly passed over, or told."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import NewDatabase, served
from tests.server.ehr.oru import fields, message, obx, parsed
from tests.server.ehr.test_hl7_door import grades, send
from toxgrade.criteria.reader import load
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.ehr.hl7v2.acknowledge import Remark
from toxgrade.server.ehr.hl7v2.report import Site, read_oru
from toxgrade.server.ehr.hl7v2.stream import split
from toxgrade.server.settings import Settings

_NAMES = Graders(load()).for_rules(Rules()).names
_K = "2823-3^Potassium^LN"
_PLATELETS = obx(1, f3="777-3^Platelets^LN", f5="140", f6="10*9/L", f7="150-400")
_POTASSIUM = obx(2, f3=_K, f5="6.8", f6="mmol/L", f7="3.5-5.1")


@pytest.fixture(scope="module")
def door(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    settings = Settings(database_url=new_sqlite(), auth="off", workers=0)
    with served(settings) as client:
        yield client


def told_of(text: str | bytes) -> tuple[list[str], list[Remark]]:
    """The values that are read from a message, and what is told."""
    remarks: list[Remark] = []
    patients = read_oru(parsed(text), _NAMES, Site(codes={"BILI": "bilirubin"}), remarks)
    values = [r.value.text if r.value else "?" for p in patients for _, r in p.results]
    return values, remarks


def answer(told: str) -> tuple[str, str]:
    """The code and the control id of the one acknowledgement."""
    ((_, code, control, *_),) = fields(told, "MSA")
    return code, control


# --- where a segment ends -------------------------------------------------------------------------

_ENDS = st.sampled_from(["\r", "\n", "\r\n", "\n\r", "\r\r\n", "\r \n"])


@given(st.lists(_ENDS, min_size=5, max_size=5))
def test_whatever_ends_a_segment_no_result_is_lost(ends: list[str]) -> None:
    segments = message(_PLATELETS, _POTASSIUM).removesuffix("\r").split("\r")
    text = "".join(segment + end for segment, end in zip(segments, ends, strict=True))
    assert told_of(text) == (["140", "6.8"], [])


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize(
    "note", ["page one\fpage two", "a\rb", "a\nb|c", "a\r\n\r\nb", "\x00\x07", "a\n WBC ok"]
)
def test_what_a_note_holds_decides_over_nothing(end: str, note: str) -> None:
    text = message(_PLATELETS, f"NTE|1||{note}", _POTASSIUM, "NTE|2||end", end=end)
    assert told_of(text) == (["140", "6.8"], [])


def test_a_line_end_within_a_field_is_of_its_text() -> None:
    cut = _POTASSIUM.replace("Potassium", "Pot\rassium") + "|||||TE\nCH"
    assert told_of(message(_PLATELETS, cut)) == (["140", "6.8"], [])
    address = message(pid="PID|1||P1||DOE^JANE||||||12 Main St\rApt 4^^Town")
    assert told_of(address)[0] == ["1.8"]
    values, _ = told_of(message(obx(f5="6\r.8")))
    assert values == ["?"]  # kept as unreadable


@pytest.mark.parametrize(
    "swallowed",
    [
        message(_PLATELETS + _POTASSIUM),
        message(_PLATELETS + "|x\x85" + _POTASSIUM),
        message(_PLATELETS + "|x\\r" + _POTASSIUM),
        message(_PLATELETS + "|x\\X0D\\" + _POTASSIUM),
        message(_PLATELETS, _POTASSIUM.replace("OBX", "obx")),
        message(_PLATELETS, _POTASSIUM.replace("|", "^")),
        message(_PLATELETS, _POTASSIUM.replace("OBX", "OB")),
        message(_PLATELETS, _POTASSIUM.removeprefix("OBX|")),
        message(_PLATELETS, _POTASSIUM.removeprefix("OBX")),
        message(_PLATELETS, "NTE|1||see" + _POTASSIUM),
        message(_PLATELETS, "NTE|1||see\fOBR|2||LAB-8|X|||20110424", _POTASSIUM),
        message(_PLATELETS) .removesuffix("\r")+ message(_POTASSIUM, pid="PID|1||P9"),
        message(_PLATELETS, _POTASSIUM).replace("\r", "\x1e") + "\r",
        message(_PLATELETS, _POTASSIUM).replace("\r", "\\r"),
    ],
)  # fmt: skip
def test_a_segment_that_stands_in_another_is_an_error(door: httpx.Client, swallowed: str) -> None:
    told = send(door, swallowed)
    assert answer(told) == ("AE", "42")
    assert fields(told, "ERR")[0][3].startswith("100^")
    assert "6.8" not in told


def test_spaces_before_a_segment_are_none_of_it() -> None:
    assert told_of(message(_PLATELETS, " \t" + _POTASSIUM))[0] == ["140", "6.8"]


def test_what_is_echoed_ends_no_segment(door: httpx.Client) -> None:
    cut = r"MSH|^~\&|LI" + "\nS|La\rb|EHR|WARD|20110424101500+0200||ORU^R01|4\n2|P|2.5.1"
    told = send(door, message(msh=cut))
    assert [line[:4] for line in told.split("\r")] == ["MSH|", "MSA|", ""]
    assert fields(told, "MSH")[0][4:6] == ["LI S", "La b"]
    assert "\n" not in told


def test_segments_that_are_not_of_a_report_are_told(door: httpx.Client) -> None:
    told = send(door, message(obx(), "ZZZ|1|own", "WBC|what a note said"))
    assert answer(told)[0] == "AA"
    assert [error[2:6] for error in fields(told, "ERR")] == [
        ["WBC^1", "0^Message accepted^HL70357", "W", "unknown-segment"]
    ]


def test_a_message_without_observations_says_so(door: httpx.Client) -> None:
    told = send(door, message().partition("OBX")[0])
    assert fields(told, "MSA")[0][3] == "0 results stored, 0 gradings, 0 undecided"
    assert [error[5] for error in fields(told, "ERR")] == ["no-observation"]


# --- what is no result ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["I", "O", "R", "S", "P"])
def test_a_pending_observation_is_passed_over(door: httpx.Client, status: str) -> None:
    pending = obx(1, f3="6690-2^WBC^LN", f5="", f6="", f7="", f11=status)
    told = send(door, message(pending, _POTASSIUM + "|||20110423", obr="OBR|1||LAB-7|X"))
    assert fields(told, "MSA")[0][1:] == [
        "AA", "42", "1 results stored, 2 gradings, 0 undecided, 1 passed over"
    ]  # fmt: skip
    ((_, _, place, code, severity, own, *_),) = fields(told, "ERR")
    assert (place, code[:2], severity, own) == ("OBX^1^5", "0^", "I", "passed-over")


@pytest.mark.parametrize(
    "line",
    [
        obx(2, f2="FT", f3="", f5="smear reviewed"),
        obx(2, f2="TX", f3="", f5="5"),
        obx(2, f2="ED", f3="", f5="^application^pdf^Base64^JVBER"),
        obx(2, f2="RP", f3="PDF^Report^L", f5="http://x"),
        obx(2, f2="ED", f3="11502-2^Report^LN", f5="^application^pdf^Base64^JVBER"),
        obx(2, f2="ST", f3="SMEAR^Smear^L", f5="normocytic"),
        obx(2, f2="CWE", f3="HBV^Hepatitis^L", f5="NEG^Negative^L"),
        obx(2, f2="NM", f3="", f5=""),
        obx(2, f2="NM", f3="XX^Local^L", f5="7", f14="00000000"),
        obx(2, f2="NM", f3="XX^Local^L", f5="7", f6="u" * 201),
        obx(2, f2="NM", f3="XX^Local^L", f5="", f11="U"),
    ],
)
def test_what_is_no_result_of_ours_is_passed_over_and_told(line: str) -> None:
    values, remarks = told_of(message(obx(), line))
    assert values == ["1.8"]
    assert [(remark.loc[:2], remark.code) for remark in remarks] == [(("OBX", 2), "passed-over")]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (obx(2, f2="ST", f3=_K, f5="hemolyzed"), "?"),
        (obx(2, f2="ED", f3=_K, f5="^application^pdf^Base64^JVBER"), "?"),
        (obx(2, f2="ST", f3="BILI^Bilirubin^L", f4="2", f5="see note"), "?"),
        (obx(2, f2="NM", f3="XX^Local^L", f5="7"), "7"),
        (obx(2, f2="ST", f3="XX^Local^L", f5="7"), "7"),
        (obx(2, f2="ST", f3="XX^Local^L", f5="none", f11="C"), "?"),  # it corrects what was sent
        (obx(2, f2="NM", f3=_K, f5="6.9\x0c"), "6.9"),
    ],
)
def test_what_may_be_a_result_is_kept(line: str, value: str) -> None:
    values, remarks = told_of(message(obx(), line))
    assert values == ["1.8", value]
    assert remarks == []


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (obx(2, f3=_K, f14="00000000"), "OBX^2^14"),
        (obx(2, f3="", f5="6.8"), "OBX^2^3"),
        (obx(2, f2="ST", f3="", f5="6.8"), "OBX^2^3"),
        (obx(2, f3="28\x0023-3^K^LN", f5="6.8"), "OBX^2^3"),
        (obx(2, f3=_K, f6="mmol\x00/L"), "OBX^2^6"),
    ],
)
def test_what_may_be_ours_and_has_no_place_is_an_error(
    door: httpx.Client, line: str, place: str
) -> None:
    told = send(door, message(obx(), line, pid="PID|1||none-of-this"))
    assert answer(told) == ("AE", "42")
    assert [error[2] for error in fields(told, "ERR")] == [place]
    listed = door.get("/v1/studies/default/patients").json()["patients"]
    assert "none-of-this" not in [p["patient"] for p in listed]


def test_what_is_undecided_is_named_with_its_reason(door: httpx.Client) -> None:
    sent = (obx(), obx(2, f3=_K, f5="6.8", f6="mmol/L", f11="P"), obx(7, f3="X^L"))
    told = send(door, message(*sent, pid="PID|1||named"))
    reasons = [(e[2], e[3], e[4], e[5]) for e in fields(told, "ERR")]
    assert reasons == [
        ("OBX^2", "0^Message accepted^HL70357", "I", "not-final"),
        ("OBX^3", "0^Message accepted^HL70357", "I", "unknown-analyte"),
    ]
    old = r"MSH|^~\&|LIS||||||ORU^R01|7|P|2.4"
    told = send(door, message(obx(f7=""), msh=old, pid="PID|1||old"))
    assert fields(told, "ERR") == []  # which has no severity there
    assert fields(told, "MSA")[0][3] == (
        "1 results stored, 1 gradings, 1 undecided: OBX 1 missing-uln"
    )


# --- two tests in one OBX-3 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "1975-2^Total^LN^1968-7^Direct^LN",
        "2823-3^K^LN^2951-2^Na^LN",
        "2823-3^K^LN^^^^^^^2951-2^Na^LN",
        "2823-3^K^LN~2951-2^Na^LN",
        "2823-3^K^LN^BILI^Bilirubin^L",
    ],
)
def test_codes_of_two_tests_are_a_contradiction(door: httpx.Client, code: str) -> None:
    pid = f"PID|1||two-{abs(hash(code))}"
    told = send(door, message(obx(f3=code, f5="3.8"), pid=pid)) if "BILI" not in code else ""
    values, remarks = told_of(message(obx(f3=code, f5="3.8")))
    assert values == ["3.8"]
    assert [(r.loc, r.code, r.severity) for r in remarks] == [(("OBX", 1, 3), "contradiction", "W")]
    if told:
        assert "contradiction" in told
        (grade,) = grades(door, f"/v1/studies/default/patients/{pid[7:]}")
        assert (grade["grade"], grade["reason"]) == (None, "unknown-analyte")


@pytest.mark.parametrize(
    "code",
    ["1975-2^Total^LN^14631-6^Molar^LN", "9999-9^Own^LN^1975-2^Bilirubin^LN",
     "BILI^Bilirubin^L^1975-2^Bilirubin^LN"],
)  # fmt: skip
def test_codes_of_one_test_are_that_test(code: str) -> None:
    remarks: list[Remark] = []
    site = Site(codes={"BILI": "bilirubin"})
    ((_, result),) = read_oru(parsed(message(obx(f3=code))), _NAMES, site, remarks)[0].results
    analyte = _NAMES.analyte(result.analyte)
    assert (analyte and analyte.name, remarks) == ("bilirubin", [])


# --- batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("FHS|^~\\&|LIS\rBHS|^~\\&|LIS\r", "BTS|1\rFTS|1\r", []),
        ("", "BTS|1\r", []),
        ("FHS|^~\\&\r", "FTS|1\r", []),
        ("BHS|^~\\&\r", "BTS|3\r", ["BTS-1 says 3, 1 came: something may be missing"]),
        ("BHS|^~\\&\r", "BTS|\r", []),
        ("BHS|^~\\&\r", "", ["BHS without BTS: something may be missing"]),
        ("FHS|^~\\&\rBHS|^~\\&\r", "BTS|1\rFTS|2\r",
         ["FTS-1 says 2, 1 came: something may be missing"]),
    ],
)  # fmt: skip
def test_a_count_that_does_not_fit_is_told(before: str, after: str, told: list[str]) -> None:
    sent = split((before + message() + after).encode())
    assert len(sent) == 1
    assert [remark.text for remark in sent[0].remarks] == told
    assert told_of(before + message() + after)[0] == ["1.8"]


# --- all of it ------------------------------------------------------------------------------------

_LINES = st.builds(
    lambda **changed: changed,
    f2=st.sampled_from(["NM", "SN", "ST", "TX", "FT", "ED", "RP", "CWE", ""]),
    f3=st.sampled_from(["1975-2^B^LN", _K, "X^L", "", "^text", "1975-2^B^LN^2823-3^K^LN"]),
    f5=st.sampled_from(["", "1.8", "<^5", "text", '""', "a\rb", "^1^-^2", "\x00"]),
    f6=st.sampled_from(["mg/dL", "", "mmol/L\x00"]),
    f11=st.sampled_from(["F", "P", "I", "C", "D", "X", "U", "", "?"]),
    f14=st.sampled_from(["20110423", "", "00000000"]),
)


@given(st.lists(_LINES, min_size=1, max_size=5))
def test_every_observation_is_stored_or_told_or_an_error(lines: list[dict[str, str]]) -> None:
    sent = [obx(n, f4=str(n), **line) for n, line in enumerate(lines, 1)]
    remarks: list[Remark] = []
    report = parsed(message(*sent, obr="OBR|1||7|X"))
    faults: list[FieldFault] = []
    try:
        patients = read_oru(report, _NAMES, Site(), remarks)
    except RequestError as error:
        faults = error.faults
    if faults:
        assert all(fault.loc[0] == "OBX" for fault in faults)
        return
    stored = {loc[1] for patient in patients for loc, _ in patient.results}
    passed = {remark.loc[1] for remark in remarks if remark.code == "passed-over"}
    assert stored | passed == set(range(1, len(lines) + 1))
    assert not stored & passed
    for n, line in enumerate(lines, 1):
        is_ours = "1975-2" in line["f3"] or _K in line["f3"]
        assert n in stored or not is_ours or (line["f5"] in ("", '""') and line["f11"] in "IP")
