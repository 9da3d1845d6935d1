"""ORU^R01 messages as laboratories send them (SYNTHETIC patients), changed where a test says so."""

from toxgrade.server.ehr.hl7v2.message import Message
from toxgrade.server.ehr.hl7v2.stream import parse, split


def obx(number: int = 1, **changed: str) -> str:
    """Bilirubin 1.8 mg/dL at ULN 1.2, final; fields by their number, as ``f5``."""
    fields = {
        "f1": str(number), "f2": "NM", "f3": "1975-2^Bilirubin total^LN", "f5": "1.8",
        "f6": "mg/dL", "f7": "0.2-1.2", "f11": "F",
    } | changed  # fmt: skip
    last = max(int(name[1:]) for name in fields)
    return "|".join(["OBX", *(fields.get(f"f{n}", "") for n in range(1, last + 1))])


def message(
    *observations: str,
    msh: str = r"MSH|^~\&|LIS|North|EHR|WARD|20110424101500+0200||ORU^R01^ORU_R01|42|P|2.5.1",
    pid: str = "PID|1||P1^^^STUDY||DOE^JANE",
    obr: str = "OBR|1|W-3|LAB-7|24325-3^Hepatic function panel^LN|||20110423",
    end: str = "\r",
) -> str:
    segments = [msh, pid, obr, *(observations or (obx(),))]
    return "".join(segment + end for segment in segments if segment)


def parsed(text: str | bytes) -> Message:
    """The one message of a text, in the charset that it declares."""
    (sent,) = split(text.encode() if isinstance(text, str) else text)
    return parse(sent)


def fields(acknowledgement: str, name: str) -> list[list[str]]:
    """The fields of each segment of that name."""
    segments = [line.split("|") for line in acknowledgement.split("\r")]
    return [segment for segment in segments if segment[0] == name]
