"""What is read from which observation of an ORU^R01, and what is refused."""

from typing import Any

import pytest

from tests.server.ehr.oru import message, obx, parsed
from toxgrade.criteria.reader import load
from toxgrade.errors import RequestError
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.ehr.hl7v2.acknowledge import Remark
from toxgrade.server.ehr.hl7v2.report import PatientResults, Site, read_oru
from toxgrade.server.ehr.hl7v2.stream import split
from toxgrade.server.records.doubts import twins

_GRADER = Graders(load()).for_rules(Rules())
_NAMES = _GRADER.names


def read(text: str | bytes, site: Site | None = None) -> list[PatientResults]:
    return read_oru(parsed(text), _NAMES, site or Site(), [])


def one(text: str, site: Site | None = None) -> LabResult:
    ((_, result),) = read(text, site)[0].results
    return result


def refused(text: str | bytes, site: Site | None = None) -> list[tuple[Any, ...]]:
    with pytest.raises(RequestError) as error:
        read(text, site)
    return [(*fault.loc, fault.code) for fault in error.value.faults]


def test_a_result_is_read_whole() -> None:
    ((patient),) = read(message())
    ((loc, result),) = patient.results
    assert (patient.patient, loc) == ("P1", ("OBX", 1))
    assert result.value is not None
    assert result.collected is not None
    assert result.issued is not None
    assert (result.analyte, result.value.text, result.unit) == ("1975-2", "1.8", "mg/dL")
    assert (str(result.lln), str(result.uln), result.limit_unit) == ("0.2", "1.2", None)
    assert (result.collected.text, result.status, result.source_id) == (
        "2011-04-23", "final", "LAB-7",
    )  # fmt: skip
    assert (result.lab, result.issued.isoformat()) == ("North", "2011-04-24T10:15:00+02:00")


# OBX-2, OBX-5, value as reported (None: none was; ?: it cannot be read)
@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        ("NM", "1.8", "1.8"),
        ("NM", " 1.80 ", "1.80"),
        ("NM", "<7", "<7"),
        ("NM", ">7", ">7"),
        ("NM", "?7", "?"),
        ("NM", "", None),
        ("NM", '""', None),
        ("NM", "27~25", "?"),
        ("NM", "1,8", "?"),
        ("NM", "-1", "?"),
        ("NM", "hemolyzed", "?"),
        ("SN", ">^1000", ">1000"),
        ("SN", "<^0.2", "<0.2"),
        ("SN", "<=^8", "<=8"),
        ("SN", "^182", "182"),
        ("SN", "=^182", "182"),
        ("SN", "^1^-^2", "?"),
        ("SN", "^1^:^128", "?"),
        ("SN", "<>^5", "?"),
        ("SN", ">80", ">80"),
        ("SN", "103.4", "103.4"),
        ("ST", "1.8", "1.8"),
        ("ST", "< 0.2", "<0.2"),
        ("ST", "see note", "?"),
        ("TX", "1.8", "1.8"),
        ("CE", "1.8", "?"),
        ("DT", "20110423", "?"),
        ("", "1.8", "1.8"),
    ],
)
def test_the_value(kind: str, sent: str, value: str | None) -> None:
    result = one(message(obx(f2=kind, f5=sent)))
    read = "?" if result.unreadable else result.value.text if result.value else None
    assert read == value


# OBX-7 (and what OBX-6 says), LLN, ULN, their unit, whether it could be read
@pytest.mark.parametrize(
    ("sent", "lln", "uln", "unit", "readable"),
    [
        ("7-56", "7", "56", None, True),
        ("0.0 to 1.2", "0.0", "1.2", None, True),
        ("<1.2", None, "1.2", None, True),
        (">59", "59", None, None, True),
        ("<10 umol/L", None, "10", "umol/L", True),
        ("Not Estab.", None, None, None, True),
        ("", None, None, None, True),
        ('""', None, None, None, True),
        ("0-2-7.2", None, None, None, False),
        (r"4-10 10\S\3/uL", "4", "10", "10^3/uL", True),
    ],
)
def test_the_range(
    sent: str, lln: str | None, uln: str | None, unit: str | None, readable: bool
) -> None:
    result = one(message(obx(f7=sent)))
    shown = [None if limit is None else str(limit) for limit in (result.lln, result.uln)]
    assert [*shown, result.limit_unit] == [lln, uln, unit]
    assert result.unreadable_limit is not readable


@pytest.mark.parametrize(
    ("code", "unit", "read"),
    [
        ("1975-2^Bilirubin^LN", "mg/dL", "mg/dL"),
        ("1975-2^Bilirubin^LN", "mg/dL^milligram per deciliter^UCUM", "mg/dL"),
        ("1975-2^Bilirubin^LN", "MGDL^mg/dL^L", "mg/dL"),
        ("1975-2^Bilirubin^LN", "^mg/dL", "mg/dL"),
        ("1975-2^Bilirubin^LN", "1^none^L^umol/L^^UCUM", "umol/L"),
        ("6690-2^WBC^LN", r"10\S\3/uL", "10^3/uL"),
        ("6690-2^WBC^LN", "10^3/uL", "10^3/uL"),  # its own escape forgotten
        ("6690-2^WBC^LN", "10*9/l", "10*9/l"),
        ("6690-2^WBC^LN", "widgets", "widgets"),
        ("6690-2^WBC^LN", "", None),
    ],
)
def test_the_unit(code: str, unit: str, read: str | None) -> None:
    assert one(message(obx(f3=code, f6=unit))).unit == read


_CODES = Site(codes={"BILI": "bilirubin"})


@pytest.mark.parametrize(
    ("code", "specimen", "analyte"),
    [
        ("1975-2^Bilirubin^LN", "", "1975-2"),
        ("001099^Bilirubin, Total^L^1975-2^Bilirubin^LN", "", "1975-2"),
        ("BILI^Bilirubin (total)^Winpath", "", "bilirubin"),
        ("X^^L^BILI^^W", "", "bilirubin"),
        ("1975-2^Bilirubin", "", "1975-2"),
        ("1975-2^Bilirubin^L", "", "L|1975-2"),
        ("BILI^Bilirubin (total)^Winpath", "SER", "bilirubin"),
        ("BILI^Bilirubin^L", "UR", "bilirubin"),  # the specimen says that it is not graded
        ("ALT^Alanine transaminase^L", "", "L|ALT"),  # a site says what its codes mean
        ("1751-7^Albumin^LN", "UR", "1751-7"),
        ("77^ALT", "", "|77"),  # a display text is never read
    ],
)
def test_what_was_measured(code: str, specimen: str, analyte: str) -> None:
    obr = f"OBR|1||LAB-7|X|||20110423||||||||{specimen}"
    assert one(message(obx(f3=code), obr=obr), _CODES).analyte == analyte
    later = message(obx(f3=code), f"SPM|1|||{specimen}")
    assert one(later, _CODES).analyte == analyte


@pytest.mark.parametrize(
    ("told", "report", "status"),
    [
        ("F", "", "final"), ("C", "", "corrected"), ("A", "", "amended"), ("B", "", "amended"),
        ("V", "", "final"), ("U", "", "final"), ("P", "", "preliminary"), ("S", "", "preliminary"),
        ("R", "", "preliminary"), ("I", "", "preliminary"), ("O", "", "preliminary"),
        ("X", "", "cancelled"), ("N", "", "cancelled"), ("D", "", "entered-in-error"),
        ("W", "", "entered-in-error"), ("?", "F", "preliminary"), ("", "F", "final"),
        ("", "P", "preliminary"), ("", "", "preliminary"),
    ],
)  # fmt: skip
def test_the_status(told: str, report: str, status: str) -> None:
    obr = f"OBR|1||LAB-7|X|||20110423{'|' * 18}{report}"
    assert one(message(obx(f11=told), obr=obr)).status == status


# OBX-14, OBR-7, when the specimen was taken (None: refused)
@pytest.mark.parametrize(
    ("own", "ordered", "collected"),
    [
        ("", "20110423", "2011-04-23"),
        ("20110422", "20110423", "2011-04-22"),
        ("201104222330", "", "2011-04-22T23:30"),
        ("20110422233059.1234+0200", "", "2011-04-22T23:30:59.1234+0200"),
        ("2011042223-0500", "", "2011-04-22T23-0500"),
        ("201104", "", "2011-04"),
        ("2011", "", "2011"),
        ("", "", None),
        ('""', '""', None),
        ("20110230", "", None),
        ("20110423^D", "", "2011-04-23"),
        ("23.04.2011", "20110423", None),
        ("1811", "", None),
    ],
)
def test_when_it_was_taken(own: str, ordered: str, collected: str | None) -> None:
    sent = message(obx(f14=own), obr=f"OBR|1||LAB-7|X|||{ordered}")
    if collected is None:
        assert [fault[:3] for fault in refused(sent)] == [("OBX", 1, 14)]
    else:
        found = one(sent).collected
        assert found is not None
        assert found.text == collected


@pytest.mark.parametrize(
    ("obr", "sub_id", "source_id"),
    [
        ("OBR|1|W-3|LAB-7^LIS|X|||20110423", "", "LAB-7"),
        ("OBR|1|W-3|LAB-7|X|||20110423", "1", "LAB-7/1"),
        ("OBR|1|W-3||X|||20110423", "", "W-3"),
        ("OBR|1|||X|||20110423", "1", None),
        ("", "", None),
    ],
)
def test_which_result_it_is(obr: str, sub_id: str, source_id: str | None) -> None:
    assert one(message(obx(f4=sub_id, f14="20110423"), obr=obr)).source_id == source_id


def test_every_version_of_a_result_is_read_and_storing_decides() -> None:
    sent = message(
        obx(1, f5="108", f11="P"), "NTE|1||9.9 mg/dL", obx(2, f3="1742-6^ALT^LN", f6="U/L"),
        obx(3, f5="110"),
    )  # fmt: skip
    ((patient),) = read(sent)
    found = [(loc[1], r.value and r.value.text, r.status) for loc, r in patient.results]
    assert found == [(1, "108", "preliminary"), (2, "1.8", "final"), (3, "110", "final")]
    sent_results = [result for _, result in patient.results]
    kept = [r.value and r.value.text for r, _ in twins(sent_results, _NAMES)]
    assert kept == ["110", "1.8"]


def test_a_number_is_known_by_order_assigner_code_and_sub_id() -> None:
    obr = "OBR|1|W-1|LAB-7^LIS^1.2.3^ISO|24325-3|||20110423\r"
    ((patient),) = read(message(obx(f4="2", f21="X-9"), obr=obr))
    ((_, result),) = patient.results
    assert (result.source_id, result.source_scope) == (
        "LAB-7/2",
        "LIS^1.2.3^ISO|1975-2|2 own number X-9",
    )


@pytest.mark.parametrize(
    ("orc", "obr", "scope"),
    [
        ("", "OBR|1|W-1^A|LAB-7^B|X|||20110423", "B|1975-2|"),
        ("ORC|RE|W-1|LAB-7^C", "OBR|1|W-1^A||X|||20110423", "C|1975-2|"),
        ("ORC|RE|W-1", "OBR|1|W-1^A^1.2^ISO||X|||20110423", "A^1.2^ISO|1975-2|"),
        ("ORC|RE|W-1|LAB-7", "OBR|1|W-1^A||X|||20110423", "North|1975-2|"),
    ],
    ids=["OBR-3", "ORC-3", "OBR-2", "none: MSH-4"],
)
def test_who_assigned_the_number_is_read_where_the_number_is(
    orc: str, obr: str, scope: str
) -> None:
    assert one(message(obx(), obr=f"{orc}\r{obr}" if orc else obr)).source_scope == scope


def test_a_shared_obx_21_is_no_number_either_where_the_order_has_none() -> None:
    obr = "OBR|1|||X|||20110423"
    assert one(message(obx(f21="X-9"), obr=obr)).source_id == "X-9"
    second = obx(2, f3="1742-6^ALT^LN", f6="U/L", f21="X-9")
    remarks: list[Remark] = []
    sent = parsed(message(obx(f21="X-9"), second, obr=obr))
    ((patient),) = read_oru(sent, _NAMES, Site(), remarks)
    assert [r.source_id for _, r in patient.results] == [None, None]
    assert [(r.loc, r.code) for r in remarks] == [(("OBX", 1, 21), "shared-number")]


def test_an_obx_21_of_two_tests_identifies_none() -> None:
    second = obx(2, f3="1742-6^ALT^LN", f6="U/L", f21="X-9")
    remarks: list[Remark] = []
    ((patient),) = read_oru(parsed(message(obx(f21="X-9"), second)), _NAMES, Site(), remarks)
    assert [r.source_scope for _, r in patient.results] == ["North|1975-2|", "North|1742-6|"]
    assert [(r.loc, r.code) for r in remarks] == [(("OBX", 1, 21), "shared-number")]


def test_several_patients_are_kept_apart() -> None:
    second = "PID|2||P0\rOBR|1||LAB-8|X|||20110424\r" + obx(2, f5="2.0")
    found = read(message(obx(), second))
    assert [(p.patient, r.value and r.value.text) for p in found for _, r in p.results] == [
        ("P0", "2.0"), ("P1", "1.8"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pid", "authority", "patient"),
    [
        ("PID|1||P1", None, "P1"),
        ("PID|1||P1^^^HOSP~S-7^^^STUDY", None, "P1"),
        ("PID|1||4711^^^HOSP~S-7^^^STUDY&1.2.3&ISO^PI", "STUDY", "S-7"),
        ("PID|1||4711^^^HOSP~S-7^^^X&1.2.3&ISO", "1.2.3", "S-7"),
        ("PID|1||4711^^^HOSP", "STUDY", "101"),
        ("PID|1||^^^HOSP", None, "101"),
        ("PID|1", None, "101"),
        ("", None, "101"),
        ("PID|1||DOE JANE", None, "102"),
    ],
)
def test_whose_it_is(pid: str, authority: str | None, patient: str) -> None:
    site = Site(authority)
    if patient in ("101", "102"):
        assert refused(message(pid=pid), site) == [("PID", 1, 3, patient)]
    else:
        assert read(message(pid=pid), site)[0].patient == patient


@pytest.mark.parametrize(
    ("sent", "faults"),
    [
        (message(obx(f3="")), [("OBX", 1, 3, "101")]),
        (message(obx(f11="U", f5="")), [("OBX", 1, 11, "101")]),
        (message(obx(f6="x" * 201)), [("OBX", 1, 6, "102")]),
        (message(obx(), obx(2, f3="", f14="x")), [("OBX", 2, 3, "101"), ("OBX", 2, 14, "102")]),
        (message(msh=r"MSH|^~\&|||||||ADT^A01|1|P|2.5"), [("MSH", 1, 9, "200")]),
        (message(msh=r"MSH|^~\&|||||||ORU^R03|1|P|2.5"), [("MSH", 1, 9, "201")]),
        (message(msh=r"MSH|^~\&|||||||ORU^R01|1|P|3.0"), [("MSH", 1, 12, "203")]),
        (message(msh=r"MSH|^~\&|||||||ORU^R01|1|P|"), [("MSH", 1, 12, "203")]),
        (message(msh="MSH|^^"), [("MSH", 1, 2, "102")]),
        (message(msh="MSH"), [("MSH", 1, 2, "102")]),
        (message("line without a name"), [("100",)]),
        (message("OBX|1|NM|\x00||1"), [("OBX", 1, 3, "102")]),
        ("PID|1||P1\r", [("100",)]),
        (message(obx(f6="µmol/L")).encode("latin-1"), [("MSH", 1, 18, "102")]),
        (message(msh=r"MSH|^~\&|||||||ORU^R01|1|P|2.5||||||GB 18030-2000"),
         [("MSH", 1, 18, "103")]),
    ],
)  # fmt: skip
def test_what_cannot_be_accepted_is_named(sent: str | bytes, faults: list[Any]) -> None:
    assert refused(sent) == faults


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8.2"])
def test_every_version(version: str) -> None:
    assert one(message(msh=rf"MSH|^~\&|||||||ORU^R01|1|P|{version}")).unit == "mg/dL"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\x0b", "FHS|^~\\&\rBHS|^~\\&\r", "\r\n"])
def test_however_its_lines_end(end: str, before: str) -> None:
    sent = before.replace("\r", end) + message(end=end) + "\x1c" + end
    assert one(sent).unit == "mg/dL"


def test_a_line_feed_within_a_segment_is_text() -> None:
    assert one(message(obx() + "|\nfree text")).unit == "mg/dL"


def test_other_delimiters_and_charsets() -> None:
    to_plain_text = message(obx(f6="10*3/uL", f3="6690-2^WBC^LN"))
    turned = to_plain_text.translate(str.maketrans("|^~\\&", "#:%!$"))
    assert (one(turned).analyte, one(turned).unit) == ("6690-2", "10*3/uL")
    latin = message(
        obx(f6="µmol/L"), msh=r"MSH|^~\&|||||||ORU^R01|1|P|2.5||||||8859/1"
    ).encode("latin-1")  # fmt: skip
    assert read(latin)[0].results[0][1].unit == "µmol/L"


def test_several_messages_are_split_at_their_headers() -> None:
    assert len(split((message() + message() + "BTS|2\r").encode())) == 2
    assert [sent.lines for sent in split(b"\r\n \r\n")] == [[""]]
