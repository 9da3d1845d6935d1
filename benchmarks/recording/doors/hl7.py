"""HL7 v2 messages over HTTP, and those that the MLLP listener gets."""

from benchmarks.recording.asked import Asked, get, raw

_MEDIA = "application/hl7-v2"
_MSH = r"MSH|^~\&|LIS|North|EHR|WARD|20110424101500+0200||ORU^R01^ORU_R01|42|P|2.5.1"
_PID = "PID|1||H1^^^STUDY||DOE^JANE"
_OBR = "OBR|1|W-3|LAB-7|24325-3^Hepatic function panel^LN|||20110423"


def obx(number: int = 1, code: str = "1975-2^Bilirubin^LN", value: str = "1.8",
        unit: str = "mg/dL", limits: str = "0.2-1.2", status: str = "F",
        kind: str = "NM") -> str:  # fmt: skip
    """Return an observation, of bilirubin unless another code is given."""
    return f"OBX|{number}|{kind}|{code}||{value}|{unit}|{limits}|H|||{status}"


def message(*observations: str, msh: str = _MSH, pid: str = _PID, obr: str = _OBR,
            end: str = "\r") -> str:  # fmt: skip
    """Return a message of segments, those left out that are empty."""
    return "".join(f"{one}{end}" for one in (msh, pid, obr, *(observations or (obx(),))) if one)


def _sent(name: str, text: str | bytes, query: str = "?study=trial") -> Asked:
    return raw(name, f"/hl7v2{query}", text, _MEDIA)


_ALT = "1742-6^ALT^LN"
REQUESTS = (
    _sent("good", message()),
    _sent("sent again", message()),
    _sent("to the default study", message(), ""),
    _sent(
        "several results",
        message(
            obx(1),
            obx(2, _ALT, "<5", "U/L", "7-56", kind="SN"),
            obx(3, "6690-2^WBC^LN", "2^.^8"),
            obx(4, "777-3^PLT^LN", "45", "10*3/uL", ">150"),
            obx(5, _ALT, "hemolysed", kind="ST"),
        ),
    ),
    _sent("structured numeric", message(obx(1, _ALT, ">^120", "U/L", "0.0 to 40", kind="SN"))),
    _sent(
        "two messages, line feeds",
        message(end="\n")
        + message(obx(1, _ALT, "99", "U/L", "<40"), msh=_MSH.replace("|42|", "|43|"), end="\n"),
    ),
    _sent("corrected", message(obx(value="1.1", status="C"))),
    _sent("deleted", message(obx(status="D"))),
    _sent("preliminary", message(obx(2, _ALT, "88", "U/L", "<40", "P"))),
    _sent("unknown code", message(obx(code="X^Local^L"))),
    _sent("without date", message(obr="OBR|1|W-3|LAB-7|24325-3^Panel^LN")),
    _sent("without patient", message(pid="")),
    _sent("odd patient", message(pid="PID|1||Jane Doe")),
    _sent("text for a number", message(obx(value="many"))),
    _sent("not an ORU", message(msh=_MSH.replace("ORU^R01^ORU_R01", "ADT^A01"))),
    _sent("version 9", message(msh=_MSH.replace("2.5.1", "9.1"))),
    _sent("no message", "hello"),
    _sent("empty", ""),
    _sent("not UTF-8", message().encode().replace(b"JANE", b"J\xe4ne")),
    _sent("latin 1 declared", message(msh=f"{_MSH}||||||8859/1").encode("latin-1")),
    _sent("to no study", message(), "?study=nowhere"),
    raw("under a key", "/hl7v2", message(), _MEDIA, Idempotency_Key="hl7"),
    raw("under a key again", "/hl7v2", message(), _MEDIA, Idempotency_Key="hl7"),
    raw("as JSON", "/hl7v2", "{}", "application/json"),
    get("stored", "/v1/studies/trial/patients/H1/grades?include_superseded=true"),
)
MLLP = (message(msh=_MSH.replace("|42|", "|77|"), pid="PID|1||MLLP1"), message(pid=""), "hello\r")
"""One frame each, at the listener of the default study."""
