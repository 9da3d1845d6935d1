"""HL7 v2 over HTTP: stored, read back, acknowledged; on SQLite and on PostgreSQL."""

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import NewDatabase, served
from tests.server.ehr.oru import fields, message, obx
from toxgrade.server.settings import Settings

_P1 = "/v1/studies/default/patients/P1"


def send(api: httpx.Client, text: str | bytes, query: str = "") -> str:
    headers = {"Content-Type": "application/hl7-v2"}
    answer = api.post(f"/hl7v2{query}", content=text, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/hl7-v2")
    return answer.text


def grades(api: httpx.Client, patient: str = _P1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"{patient}/grades").json()["grades"]
    return found


def test_a_message_is_stored_and_acknowledged(api: httpx.Client) -> None:
    course = {"courses": [{"start": "2011-01-24", "end": "2011-03-09"}]}
    assert api.put(_P1, json=course).status_code == 200
    told = send(api, message(obx(), obx(2, f3="6690-2^WBC^LN", f5="2.8", f6="K/uL", f7="4-10")))
    ((msh,), (msa,)) = fields(told, "MSH"), fields(told, "MSA")
    assert msh[2:6] == ["EHR", "WARD", "LIS", "North"]  # the way back
    assert msh[8] == "ACK^R01^ACK"
    assert msh[10:12] == ["P", "2.5.1"]
    assert msa == ["MSA", "AA", "42", "2 results stored, 3 gradings, 0 undecided"]
    assert fields(told, "ERR") == []
    bilirubin, *_ = sorted(grades(api), key=lambda g: g["term"])
    assert (bilirubin["grade"], bilirubin["phase"], bilirubin["source_id"]) == (1, "acute", "LAB-7")
    assert {g["grade"] for g in grades(api)} == {0, 1, 2}


def test_sent_again_nothing_changes_and_a_correction_supersedes(api: httpx.Client) -> None:
    send(api, message())
    before = grades(api)
    send(api, message(end="\n"))
    assert grades(api) == before
    later = message(obx(f5="4.0", f11="C")).replace("20110424101500", "20110424101501")
    send(api, later)
    (now,) = grades(api)
    assert (now["grade"], now["supersedes_id"], now["status"]) == (3, before[0]["id"], "corrected")
    send(api, message())  # an earlier version, late: never supersedes
    assert grades(api) == [now]
    send(api, later.replace("|C", "|D").replace("10:15:01", "10:15:02"))
    assert [g["reason"] for g in grades(api)] == ["not-final"]


def test_what_cannot_be_read_is_kept_as_undecided(api: httpx.Client) -> None:
    sent = message(
        obx(1, f5="?7"),
        obx(2, f3="1742-6^ALT^LN", f5="50", f6="U/L", f7="0-2-7.2"),
        obx(3, f3="1920-8^AST^LN", f5="", f6="U/L"),
        obx(4, f3="XYZ^Unheard of^L"),
        obx(5, f3="1751-7^Albumin^LN", f5="28", f6="g/L", f11="P"),
    )
    assert fields(send(api, sent), "MSA")[0][3] == "5 results stored, 5 gradings, 5 undecided"
    found = {g["analyte"]: (g["reason"], g["flags"]) for g in grades(api)}
    assert found == {
        "bilirubin": ("unreadable-value", []),
        "ALT": ("missing-uln", ["unreadable-limit"]),
        "AST": ("missing-value", []),
        "L|XYZ": ("unknown-analyte", []),
        "albumin": ("not-final", []),
    }


def test_each_message_is_for_itself(api: httpx.Client) -> None:
    bad = message(obx(f14="yesterday"), pid="PID|1||P2")
    told = send(api, message() + bad + message(pid="PID|1||P3"))
    assert [msa[1] for msa in fields(told, "MSA")] == ["AA", "AE", "AA"]
    (error,) = fields(told, "ERR")
    assert error[2:5] == ["OBX^1^14", "102^Data type error^HL70357", "E"]
    assert error[8].startswith("expected a time YYYYMMDDHHMM")
    assert "yesterday" not in told
    listed = api.get("/v1/studies/default/patients").json()["patients"]
    assert [p["patient"] for p in listed] == ["P1", "P3"]


def test_older_versions_have_errors_of_their_own_form(api: httpx.Client) -> None:
    old = message(obx(f3=""), msh=r"MSH|^~\&|LIS||||||ORU^R01|7|P|2.3.1")
    told = send(api, old)
    assert fields(told, "ERR") == [["ERR", "OBX^1^3^101&Required field missing&HL70357"]]
    (msa,) = fields(told, "MSA")
    assert msa[1:3] == ["AE", "7"]
    assert "(OBX-3): required: the code of what was measured" in msa[3]


@pytest.mark.parametrize(
    ("sent", "code", "place"),
    [
        ("", "AR", ""),
        ("PID|1||P1\r", "AR", ""),
        (b"\xff\xfe\x00", "AR", "MSH^1^18"),
        (message(msh=r"MSH|^~\&|||||||ADT^A01|1|P|2.5"), "AR", "MSH^1^9"),
        (message(msh=r"MSH|^~\&|||||||ORU^R01|1|P|3.0"), "AR", "MSH^1^12"),
        (message(pid=""), "AE", "PID^1^3"),
    ],
)
def test_what_is_refused_and_where(
    api: httpx.Client, sent: str | bytes, code: str, place: str
) -> None:
    told = send(api, sent)
    assert [msa[1] for msa in fields(told, "MSA")] == [code]
    assert [error[2] for error in fields(told, "ERR")] in ([place], [])
    assert api.get("/v1/studies/default/patients").json()["patients"] == []


def test_another_study_and_one_that_is_not_there(api: httpx.Client) -> None:
    assert api.put("/v1/studies/trial", json={}).status_code == 201
    assert fields(send(api, message(), "?study=trial"), "MSA")[0][1] == "AA"
    assert len(grades(api, "/v1/studies/trial/patients/P1")) == 1
    told = send(api, message(), "?study=none")
    ((_, code, _, text),) = fields(told, "MSA")
    assert (code, text.count("there is no such study")) == ("AE", 1)
    assert fields(told, "ERR")[0][3].startswith("204^Unknown key identifier")


def test_other_bodies_and_long_ones_are_rejected(new_sqlite: NewDatabase) -> None:
    chosen = Settings(database_url=new_sqlite(), auth="off", max_body_bytes=5000, max_results=3)
    with served(chosen) as api:
        wrong = api.post("/hl7v2", content="{}", headers={"Content-Type": "application/json"})
        assert (wrong.status_code, fields(wrong.text, "MSA")[0][1]) == (415, "AR")
        long = api.post("/hl7v2", content="MSH" * 2000)
        assert (long.status_code, fields(long.text, "MSA")[0][1]) == (413, "AR")
        for body in (message() + " " * 5000, iter([message().encode(), b" " * 5000])):
            long = api.post("/hl7v2", content=body)
            assert (long.status_code, fields(long.text, "MSA")[0][1:3]) == (413, ["AE", "42"])
        headers = {"Content-Type": "application/json"}
        wrong = api.post("/hl7v2", content=message(), headers=headers)
        assert (wrong.status_code, fields(wrong.text, "MSA")[0][1:3]) == (415, ["AE", "42"])
        assert fields(wrong.text, "MSH")[0][2:6] == ["EHR", "WARD", "LIS", "North"]
        odd = api.post("/hl7v2", content=b"\xff\xfeM\x00", headers=headers)
        assert (odd.status_code, fields(odd.text, "MSA")[0][1]) == (415, "AR")
        many = send(api, message(*(obx(n) for n in range(1, 5))))
        assert fields(many, "MSA")[0][1] == "AE"
        assert "more than 3 results: send a batch" in many


def test_a_key_is_needed_and_only_for_its_study(new_sqlite: NewDatabase) -> None:
    with served(Settings(database_url=new_sqlite())) as api:
        assert api.post("/hl7v2", content=message()).status_code == 401


def test_a_site_s_own_codes_and_authority(new_sqlite: NewDatabase) -> None:
    chosen = Settings(
        database_url=new_sqlite(), auth="off", hl7v2_authority="STUDY",
        hl7v2_codes={"BILI": "bilirubin"},
    )  # fmt: skip
    with served(chosen) as api:
        pid = "PID|1||4711^^^HOSP~P1^^^STUDY"
        send(api, message(obx(f3="BILI^Bilirubin^Winpath"), pid=pid))
        assert [g["grade"] for g in grades(api)] == [1]
        told = send(api, message(pid="PID|1||4711^^^HOSP"))
        assert "required: the identifier of STUDY" in told


_NOISE = st.text(st.characters(codec="utf-8"), max_size=12)
_TOKENS = st.sampled_from(
    ["", "1.8", "<5", ">^100", "1975-2^B^LN", "ALT", "mg/dL", r"10\S\3/uL", "0.2-1.2", "0-0", "~",
     "^", "&", "\\", r"\X0D\ ", '""', "20110423", "F", "C", "D", "NM", "SN", "P1^^^A", "\x00", "\n"]
)  # fmt: skip
_SEGMENTS = st.builds(
    lambda name, parts: "|".join([name, *parts]),
    st.sampled_from(["MSH", "PID", "OBR", "OBX", "NTE", "SPM", "ZZZ", "obx", ""]),
    st.lists(_TOKENS | _NOISE, max_size=14),
)


def test_whatever_is_sent_is_acknowledged(stateless: httpx.Client) -> None:
    @settings(
        max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.lists(_SEGMENTS, max_size=6), st.booleans())
    def check(segments: list[str], headed: bool) -> None:
        text = "\r".join([message() if headed else "", *segments])
        told = send(stateless, text.encode(errors="replace"))
        codes = [msa[1] for msa in fields(told, "MSA")]
        assert codes
        assert set(codes) <= {"AA", "AE", "AR"}

    check()


def test_under_a_key_each_message_gets_its_first_acknowledgement_again(api: httpx.Client) -> None:
    headers = {"Content-Type": "application/hl7-v2", "Idempotency-Key": "k1"}
    sent = message() + message(pid="PID|1||P2")
    first = api.post("/hl7v2", content=sent, headers=headers)
    assert "Idempotency-Replayed" not in first.headers
    again = api.post("/hl7v2", content=sent, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.text == first.text  # message numbers and times included
    other = api.post("/hl7v2", content=message(obx(f5="4.0")), headers=headers).text
    assert [msa[1] for msa in fields(other, "MSA")] == ["AE"]
    assert "expected a new key for another request" in other


def test_serial_values_of_one_order_are_two_results(api: httpx.Client) -> None:
    """The 6.8 of the morning was overwritten by the 4.0 of the afternoon: grade 3 became 0."""

    def potassium(number: int, value: str, time: str) -> str:
        return obx(number, f3="2823-3^Potassium^LN", f5=value, f6="mmol/L", f7="3.5-5.1", f14=time)

    morning, afternoon = potassium(1, "6.8", "201104230800"), potassium(2, "4.0", "201104231400")
    for sent in (message(morning), message(afternoon), message(morning, afternoon)):
        assert fields(send(api, sent), "MSA")[0][1] == "AA"
    high = {g["value"]: g["grade"] for g in grades(api) if g["term"] == "Hyperkalemia"}
    assert high == {"6.8": 3, "4.0": 0}


def test_two_values_of_one_time_in_one_message_are_kept_and_told(api: httpx.Client) -> None:
    for _ in range(2):
        answer = send(api, message(obx(f5="1.8"), obx(2, f5="5.0")))
        assert fields(answer, "MSA")[0][1] == "AA"
        told = [
            error for error in fields(answer, "ERR") if "two-values-one-time" in "|".join(error)
        ]
        assert len(told) == 2
        assert sorted(g["value"] for g in grades(api)) == ["1.8", "5.0"]
