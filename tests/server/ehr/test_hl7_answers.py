"""Which HL7 v2 messages are taken, in which charset, and what their acknowledgements look like."""

import warnings
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.server.ehr.oru import fields, message, obx, parsed
from tests.server.ehr.test_hl7_door import grades, send
from toxgrade.criteria.reader import load
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.specimens import specimen_kind
from toxgrade.server.ehr.hl7v2.acknowledge import Remark
from toxgrade.server.ehr.hl7v2.report import Site, read_oru
from toxgrade.server.settings import Settings

with warnings.catch_warnings():  # It imports what Python 3.12 does without.
    warnings.simplefilter("ignore")
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message, parse_segments

_NAMES = Graders(load()).for_rules(Rules()).names
_VERSIONS = ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8",
             "2.8.1", "2.8.2", "2.9"]  # fmt: skip


@pytest.fixture(scope="module")
def door(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    settings = Settings(database_url=new_sqlite(), auth="off", workers=0)
    with served(settings) as client:
        yield client


def msh(version: str = "2.5.1", kind: str = "ORU^R01^ORU_R01", processing: str = "P",
        rest: str = "") -> str:  # fmt: skip
    start = r"MSH|^~\&|LIS|North|EHR|WARD|20110424101500+0200||"
    return f"{start}{kind}|42|{processing}|{version}{rest}"


def read(text: str | bytes, site: Site | None = None) -> tuple[LabResult, list[Remark]]:
    remarks: list[Remark] = []
    ((_, result),) = read_oru(parsed(text), _NAMES, site or Site(), remarks)[0].results
    return result, remarks


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", _VERSIONS)
@pytest.mark.parametrize(
    "observation", [obx(), obx(f7=""), obx(f14="yesterday")], ids=["AA", "undecided", "AE"]
)
def test_an_answer_is_of_the_version_that_it_names(
    door: httpx.Client, version: str, observation: str
) -> None:
    text = send(door, message(observation, "OBX|2|FT|||text", msh=msh(version)))
    ((msh_sent,), (msa,)) = fields(text, "MSH"), fields(text, "MSA")
    old = version in ("2.1", "2.2", "2.3")
    assert msh_sent[8] == ("ACK^R01" if old else "ACK^R01^ACK")
    assert msh_sent[11] == version
    assert msa[:3] == ["MSA", "AE" if "yesterday" in observation else "AA", "42"]
    assert (len(msa) == 3) == (version >= "2.7")
    if version < "2.5":
        assert (len(fields(text, "ERR")) == 1) == (msa[1] == "AE")
    elif msa[1] == "AA":
        assert {error[4] for error in fields(text, "ERR")} == {"I"}
        assert version < "2.7" or "results stored" in fields(text, "ERR")[0][8]
    if version == "2.1" and msa[1] == "AE":
        assert fields(text, "ERR") == [["ERR", "102"]]
    if old:  # Messages had no structure of their own yet.
        parse_segments(text, version, validation_level=VALIDATION_LEVEL.STRICT)
    elif version not in ("2.9", "2.7.1"):  # These it does not know.
        parse_message(text, validation_level=VALIDATION_LEVEL.STRICT).validate()


@pytest.mark.parametrize("version", ["", "2.0", "2.10", "2", "3.0", "2.5.1\nx", "v2.5", "2.50"])
def test_other_versions_are_rejected(door: httpx.Client, version: str) -> None:
    told = send(door, message(msh=msh(version)))
    assert fields(told, "MSA")[0][1:3] == ["AR", "42"]


@pytest.mark.parametrize(
    "kind", ["ORU^R01", "ORU^R30^ORU_R30", "ORU^R31^ORU_R30", "ORU^R32^ORU_R30", "ORU^R40^ORU_R01",
             "ORU", "OUL^R22^OUL_R22", "OUL^R23^OUL_R23", "OUL^R24^OUL_R24"]
)  # fmt: skip
def test_every_event_of_results_is_taken(door: httpx.Client, kind: str) -> None:
    told = send(door, message(msh=msh(kind=kind)))
    assert fields(told, "MSA")[0][1] == "AA"
    answered = {"": "R01", "R30": "R33"}  # An R30 places an order.
    assert fields(told, "MSH")[0][8] == f"ACK^{answered.get(kind[4:7], kind[4:7])}^ACK"


@pytest.mark.parametrize(
    ("event", "version", "answered"),
    [
        ("R30", "2.4", "ACK^R30^ACK"), ("R30", "2.5", "ACK^R33^ACK"),
        ("R30", "2.6", "ACK^R33^ACK"), ("R30", "2.7", "ORA^R33^ORA_R33"),
        ("R30", "2.9", "ORA^R33^ORA_R33"), ("R40", "2.7", "ACK^R40^ACK"),
        ("R40", "2.8", "ORA^R41^ORA_R41"), ("R40", "2.8.2", "ORA^R41^ORA_R41"),
        ("R01", "2.8", "ACK^R01^ACK"), ("R32", "2.8", "ACK^R32^ACK"),
    ],
)  # fmt: skip
def test_an_application_acknowledgement_is_the_answer_to_its_event(
    door: httpx.Client, event: str, version: str, answered: str
) -> None:
    kind = f"ORU^{event}^ORU_{event}"
    for observation in (obx(), obx(f14="yesterday")):
        text = send(door, message(observation, msh=msh(version, kind)))
        assert fields(text, "MSH")[0][8] == answered
        if version not in ("2.9", "2.7.1"):
            parse_message(text, validation_level=VALIDATION_LEVEL.STRICT).validate()
    accept = send(door, message(msh=msh(version, kind, rest="|||AL|NE")))
    assert fields(accept, "MSH")[0][8] == f"ACK^{event}^ACK"


@pytest.mark.parametrize(
    ("header", "place"),
    [
        (msh(kind="ADT^A01^ADT_A01"), "MSH^1^9"),
        (msh(kind="ORU^R03"), "MSH^1^9"),
        (msh(kind="OUL^R21"), "MSH^1^9"),
        (msh(kind="OUL"), "MSH^1^9"),
        (msh(processing="T"), "MSH^1^11"),
        (msh(processing="D"), "MSH^1^11"),
        (msh(processing=""), "MSH^1^11"),
        (msh(processing="T^A"), "MSH^1^11"),
        (msh("3.0"), "MSH^1^12"),
    ],
)
def test_what_is_never_taken_is_rejected_and_named(
    door: httpx.Client, header: str, place: str
) -> None:
    told = send(door, message(msh=header, pid="PID|1||rejected"))
    assert fields(told, "MSA")[0][1:3] == ["AR", "42"]
    assert [error[2] for error in fields(told, "ERR")] == [place]
    assert fields(told, "MSH")[0][2:6] == ["EHR", "WARD", "LIS", "North"]
    listed = door.get("/v1/studies/default/patients").json()["patients"]
    assert "rejected" not in [p["patient"] for p in listed]


def test_production_may_name_a_mode() -> None:
    assert read(message(msh=msh(processing="P^T")))[0].unit == "mg/dL"


@pytest.mark.parametrize(
    "sent",
    [
        message(msh=msh().replace(r"^~\&", r"^~\\&")),
        message(msh=msh(rest="||||||GB 18030-2000")),
        message(obx(f6="mg/dL\x00")),
        message(pid=""),
        message("no segment"),
        message(msh=msh(), pid="PID|1||P1" + obx()),
    ],
)
def test_an_error_of_content_answers_to_its_message(door: httpx.Client, sent: str) -> None:
    told = send(door, sent)
    assert fields(told, "MSA")[0][1:3] == ["AE", "42"]
    assert fields(told, "MSH")[0][2:6] == ["EHR", "WARD", "LIS", "North"]


# --- enhanced acknowledgement ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "application", "good", "bad"),
    [
        ("", "", ["AA"], ["AE"]),
        ("AL", "NE", ["CA"], ["CE"]),
        ("AL", "", ["CA"], ["CE"]),
        ("NE", "NE", [], []),
        ("NE", "AL", ["AA"], ["AE"]),
        ("", "AL", ["AA"], ["AE"]),
        ("ER", "NE", [], ["CE"]),
        ("SU", "NE", ["CA"], []),
        ("ER", "ER", [], ["CE"]),
        ("NE", "ER", [], ["AE"]),
        ("NE", "SU", ["AA"], []),
        ("AL", "AL", ["CA", "AA"], ["CE"]),
        ("SU", "ER", ["CA"], ["AE"]),
        ("al", "ne", ["CA"], ["CE"]),
        ("?", "?", ["AA"], ["AE"]),
    ],
)
def test_the_acknowledgements_are_those_that_were_asked_for(
    door: httpx.Client, accept: str, application: str, good: list[str], bad: list[str]
) -> None:
    header = msh(rest=f"|||{accept}|{application}")
    for observation, expected in ((obx(), good), (obx(f14="yesterday"), bad)):
        told = send(door, message(observation, msh=header))
        assert [msa[1:3] for msa in fields(told, "MSA")] == [[code, "42"] for code in expected]
    rejected = send(door, message(msh=msh("3.0", rest=f"|||{accept}|{application}")))
    assert [msa[1] for msa in fields(rejected, "MSA")] == [code[0] + "R" for code in bad]


# --- charsets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "codec"),
    [("", "utf-8"), ("ASCII", "utf-8"), ("UNICODE UTF-8", "utf-8"), ("UTF-8", "utf-8"),
     ("unicode utf-8", "utf-8"), ("UTF8", "utf-8"), ("8859/15", "iso8859-15"),
     ("8859/1~UNICODE UTF-8", "latin-1"), ("ISO-8859-1", "latin-1"), ("iso 8859/1", "latin-1"),
     ("UNICODE UTF-8^Unicode^HL70211", "utf-8")]
    + [(f"8859/{n}", f"iso8859-{n}") for n in (1, 3, 4, 8, 9)],
)  # fmt: skip
def test_each_charset_of_the_table(declared: str, codec: str) -> None:
    sent = message(obx(f6="µmol/L"), msh=msh(rest=f"||||||{declared}"))
    if codec in ("iso8859-4",):
        sent = sent.replace("µ", "u")
    assert read(sent.encode(codec))[0].unit in ("µmol/L", "umol/L")


def test_undeclared_bytes_that_no_grade_needs_refuse_nothing() -> None:
    result, remarks = read(message(pid="PID|1||P1||Müller").encode("latin-1"))
    assert result.unit == "mg/dL"
    assert [(remark.loc, remark.code) for remark in remarks] == [(("MSH", 1, 18), "charset")]


def test_a_site_or_the_content_type_may_declare_the_charset(new_sqlite: NewDatabase) -> None:
    sent = message(obx(f6="µmol/L", f5="30", f7="3-17")).encode("latin-1")
    media = "application/hl7-v2"
    chosen = Settings(database_url=new_sqlite(), auth="off", workers=0)
    with served(chosen) as api:
        told = send(api, sent)
        assert fields(told, "MSA")[0][1:3] == ["AE", "42"]
        assert [error[2] for error in fields(told, "ERR")] == ["MSH^1^18"]
        assert "OBX-6 of OBX 1" in told
        for named in ("charset=iso-8859-1", 'x=1; Charset="ISO-8859-1"'):
            answer = api.post("/hl7v2", content=sent, headers={"Content-Type": f"{media}; {named}"})
            assert fields(answer.text, "MSA")[0][1] == "AA"
        odd = api.post("/hl7v2", content=sent, headers={"Content-Type": f"{media}; charset=koi8"})
        assert fields(odd.text, "MSA")[0][1:3] == ["AE", "42"]
        assert "expected one of 8859/1, " in odd.text
    chosen = Settings(
        database_url=new_sqlite(), auth="off", workers=0, hl7v2_charset="8859/1"
    )  # fmt: skip
    with served(chosen) as api:
        assert fields(send(api, sent), "MSA")[0][1] == "AA"
        assert [g["unit"] for g in grades(api)] == ["µmol/L"]


def test_each_message_is_read_by_its_own_charset(door: httpx.Client) -> None:
    latin = message(obx(f6="µmol/L"), msh=msh(rest="||||||8859/1"), pid="PID|1||latin")
    utf = message(obx(f6="µmol/L"), msh=msh(rest="||||||UNICODE UTF-8"), pid="PID|1||utf")
    other = message(obx(f6="µmol/L"), msh=msh(rest="||||||BIG-5").replace("|42|", "|43|"))
    sent = latin.encode("latin-1") + other.encode() + utf.encode()
    media = {"Content-Type": "application/hl7-v2"}
    told = door.post("/hl7v2", content=sent, headers=media).content.decode()
    assert [m[1:3] for m in fields(told, "MSA")] == [["AA", "42"], ["AE", "43"], ["AA", "42"]]
    for patient in ("latin", "utf"):
        (grade,) = grades(door, f"/v1/studies/default/patients/{patient}")
        assert grade["unit"] == "µmol/L"


# --- specimens ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "collected"),
    [
        (message(obx(), "SPM|1|||BLD|||||||||||||20110423083000", obr="OBR|1||7|X"),
         "2011-04-23T08:30:00"),
        (message(obx(), "SPM|1|||BLD|||||||||||||201104230830^201104230900", obr="OBR|1||7|X"),
         "2011-04-23T08:30"),
        (message(obx(), "SPM|1|||BLD|||||||||||||20110422"), "2011-04-23"),  # OBR-7 goes first
        (message(obx(f14="20110421"), "SPM|1|||BLD|||||||||||||20110422"), "2011-04-21"),
        (message("SPM|1|||BLD|||||||||||||20110420", "OBR|1||7|X", obx(), obr="",
                 msh=msh(kind="OUL^R22^OUL_R22")), "2011-04-20"),
    ],
)  # fmt: skip
def test_the_specimen_may_say_when_it_was_taken(sent: str, collected: str) -> None:
    found = read(sent)[0].collected
    assert found is not None
    assert found.text == collected


def test_two_specimens_of_different_times_say_nothing(door: httpx.Client) -> None:
    specimens = [f"SPM|{n}|||BLD|||||||||||||2011042{n}" for n in (1, 2)]
    told = send(door, message(obx(), *specimens, obr="OBR|1||7|X"))
    assert fields(told, "MSA")[0][1] == "AE"
    assert [error[2] for error in fields(told, "ERR")] == ["OBX^1^14"]


_SITE = Site(codes={"BILI": "bilirubin"})


@pytest.mark.parametrize(
    ("specimen", "is_blood"),
    [
        ("", True), ("BLD", True), ("Blood", True), ("SER^Serum^HL70487", True),
        ("119297000^Blood^SCT", True), ("119364003", True), ("^Venous blood specimen", True),
        ("PLAS^Plasma, EDTA", True), ("1^Serum or Plasma^L", True), ("VOLLBLUT", True),
        ("UR", False), ("BLDCO^Cord blood", False), ("^Blood in urine", False), ("OBLD", False),
        ("^Donor blood", False), ("^Bone marrow", False), ("^occult blood", False),
        ("4711", False), ("SER^Serum^L^UR^Urine^L", False), ("EDTA", False), ("BLDCO", False),
        # A code that is known counts, whatever it or the tube is called there.
        ("119364003^Serumprobe^SCT", True), ("SER^gelbe Monovette^L", True),
        ("SER^Serum^HL70487^1^^L", True), ("S1^^L^119364003^Serum^SCT", True),
        ("EDTA^lila^L^BLD^^HL70487", True), ("^échantillon de sérum", True), ("^EDTA-blod", True),
        ("445295009^Blood specimen with edetic acid^SCT", True), ("445295009^EDTA-lila^SCT", True),
        ("BLD^Nabelschnurblut^L", False), ("SER^Urine^L", False), ("UR^Serum^L", False),
        ("BLD^Dried blood spot^L", False), ("119364003^^SCT^122575003^^SCT", False),
    ],
)  # fmt: skip
def test_a_specimen_is_blood_by_whole_words_of_a_list(specimen: str, is_blood: bool) -> None:
    """Also where the LOINC code means serum: in doubt it is not graded, and told."""
    for test in (obx(f3="BILI^Bilirubin^L"), obx()):
        by_spm = read(message(test, f"SPM|1|||{specimen}"), _SITE)[0]
        by_obr = read(
            message(test, obr=f"OBR|1||7|X|||20110423||||||||{specimen.replace('^', '&')}"), _SITE
        )[0]
        for found in (by_spm, by_obr):
            assert (specimen_kind(found.specimen) != "other") is is_blood


def test_a_specimen_that_is_not_blood_is_told(door: httpx.Client) -> None:
    told = send(door, message(obx(), "SPM|1|||UR^Urine"))
    assert fields(told, "MSA")[0][3] == "1 results stored, 1 gradings, 1 undecided"
    assert [error[5] for error in fields(told, "ERR")] == ["other-specimen"]


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("H", "H"), ("HH", "HH"), ("N", "N"), ("L", "L"), ("H~A", "H"), ("A", None), ("", None),
        ("H~L", None), ("H~HH", "HH"), ("N~A", None), ("N~<", None), ("N~N", "N"),
        ("N*", "N*"), ("<", None), ("H^High^HL70078", "H"),
    ],
)  # fmt: skip
def test_the_flag_of_a_result(sent: str, taken: str | None) -> None:
    assert read(message(obx(f7="", f8=sent)))[0].indicator == taken


def test_a_high_flag_without_a_range_gives_grade_1_at_least(door: httpx.Client) -> None:
    told = send(door, message(obx(f7="", f8="H"), obx(2, f7="", f8="N", f3="1742-6^ALT^LN",
                                                      f6="U/L")))  # fmt: skip
    assert fields(told, "MSA")[0][3] == "2 results stored, 2 gradings, 1 undecided"
    assert [error[5] for error in fields(told, "ERR")] == ["missing-uln"]


def test_a_control_is_nobody_s_result(door: httpx.Client) -> None:
    told = send(door, message(obx(), "SPM|1|||SER|||||||Q", pid="PID|1||control"))
    assert fields(told, "MSA")[0][3].startswith("0 results stored")
    assert [error[5] for error in fields(told, "ERR")] == ["passed-over"]
