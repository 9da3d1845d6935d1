"""Hostile HL7 v2 messages, over HTTP and in MLLP's frames."""

import asyncio
from collections.abc import Callable
from typing import Any

from benchmarks.doubling.case import Case, Sent
from benchmarks.doubling.doors import answered, request
from toxgrade.criteria.reader import load
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.units import Names
from toxgrade.server.ehr.hl7v2.mllp import END, START, Limits, Listener
from toxgrade.server.ehr.hl7v2.receive import Received, refused_unread
from toxgrade.server.ehr.hl7v2.report import Site, read_oru
from toxgrade.server.ehr.hl7v2.stream import parse, split
from toxgrade.server.runtime import MACHINE

MSH = r"MSH|^~\&|LIS|LAB|EHR|WARD|20110424101500+0200||ORU^R01^ORU_R01|42|P|2.5.1"
_OUL = MSH.replace("ORU^R01^ORU_R01", "OUL^R22^OUL_R22")
PID, OBR = "PID|1||P1^^^STUDY", "OBR|1||LAB-7|24325-3^Hepatic function panel^LN|||20110423"
OBX = "OBX|1|NM|1975-2^Bilirubin^LN||1.8|mg/dL|0.2-1.2|H|||F"
_NAMES: Names = Graders(load()).for_rules(Rules()).names


def _message(*segments: str) -> bytes:
    return "".join(f"{segment}\r" for segment in segments).encode("latin-1")


def _with(segment: str, field: int, text: str) -> str:
    """A segment with another field; MSH counts its delimiter."""
    fields = segment.split("|")
    at = field - 1 if segment.startswith("MSH") else field
    fields += [""] * (at + 1 - len(fields))
    fields[at] = text
    return "|".join(fields)


def _obx(i: int, **fields: str) -> str:
    found = _with(OBX, 1, str(i))
    for name, text in fields.items():
        found = _with(found, int(name[1:]), text)
    return found


def _each(n: int, **fields: str) -> list[str]:
    return [_obx(i, **fields) for i in range(n)]


_ATTACKS: dict[str, Callable[[int], bytes]] = {
    "PID-3: n repetitions and n fields": lambda n: _message(
        MSH, _with(PID, 3, "~".join(["^"] * n)) + "|" * n, OBR, OBX),
    "OBX-3: n repetitions and n fields": lambda n: _message(
        MSH, PID, OBR, _with(OBX, 3, "~".join(["a^b^c"] * n)) + "|" * n),
    "OBX-5: n repetitions and n fields": lambda n: _message(
        MSH, PID, OBR, _with(OBX, 5, "~".join(["1"] * n)) + "|" * n),
    "OBX-8: n repetitions and n fields": lambda n: _message(
        MSH, PID, OBR, _with(OBX, 8, "~".join(["H"] * n)) + "|" * n),
    "OBX-3: n LOINC codes": lambda n: _message(
        MSH, PID, OBR, _with(OBX, 3, "~".join(f"{i}-1^x^LN" for i in range(n)))),
    "OBX-3: n LOINC codes, n local ones": lambda n: _message(
        MSH, PID, OBR, _with(OBX, 3, "~".join(f"{i}-1^x^LN^L{i}^y^Z" for i in range(n)))),
    "OBX-3: n components": lambda n: _message(MSH, PID, OBR, _with(OBX, 3, "^" * n)),
    "OBX-3: n subcomponents": lambda n: _message(MSH, PID, OBR, _with(OBX, 3, "&" * n)),
    "n observations, MSH-4 of n characters": lambda n: _message(
        _with(MSH, 4, "^" * 16 * n), PID, OBR, *_each(n)),
    "n observations, MSH-7 of n characters": lambda n: _message(
        _with(MSH, 7, "^" * 16 * n), PID, OBR, *_each(n)),
    "n observations, OBR-3 of n components": lambda n: _message(
        MSH, PID, _with(OBR, 3, "a" + "^" * 16 * n), *_each(n)),
    "n observations, OBR-7 of n components": lambda n: _message(
        MSH, PID, _with(OBR, 7, "20110423" + "^" * 16 * n), *_each(n)),
    "n observations, OBR-15 of n escapes": lambda n: _message(
        MSH, PID, _with(OBR, 15, r"\F\\S\ " * n), *_each(n)),
    "n observations, OBR-22 of n components": lambda n: _message(
        MSH, PID, _with(OBR, 22, "^" * 16 * n), *_each(n)),
    "n observations, OBR-25 of n components": lambda n: _message(
        MSH, PID, _with(OBR, 25, "F" + "^" * 16 * n), *_each(n, f11="")),
    "n observations, ORC-3 of n components": lambda n: _message(
        MSH, PID, "ORC|RE||x" + "^" * 16 * n, _with(OBR, 3, ""), *_each(n)),
    "n observations of n specimens": lambda n: _message(
        MSH, PID, _with(OBR, 7, ""), *[f"SPM|{i}|||SER^Serum||||||||||||||20110423" for i in range(n)],
        *_each(n)),
    "n specimens first, n observations": lambda n: _message(
        _OUL, PID, *["SPM|1|||SER" + "^x" * 8] * n, OBR, *_each(n)),
    "n specimens of n components": lambda n: _message(
        MSH, PID, OBR, *["SPM|1|||SER"] * n, "SPM|2|||" + "^x" * n, *_each(n)),
    "n patients": lambda n: _message(
        MSH, *[s for i in range(n) for s in (f"PID|{i}||P{i}", OBR, OBX)]),
    "n orders": lambda n: _message(MSH, PID, *[OBR, OBX] * n),
    "n observations of one number and minute": lambda n: _message(
        MSH, PID, OBR, *_each(n, f14="201104231445")),
    "n observations of n values and one time": lambda n: _message(
        MSH, PID, OBR, *[_obx(i, f5=str(i), f14="201104231445") for i in range(n)]),
    "n observations that share a number": lambda n: _message(
        MSH, PID, OBR, *[_obx(i, f3=f"X{i % 2}", f21="7") for i in range(n)]),
    "n corrections of one number": lambda n: _message(
        MSH, PID, OBR, *[_obx(i, f11="C", f5=str(i)) for i in range(n)]),
    "n faults": lambda n: _message(MSH, PID, OBR, *_each(n, f14="yesterday")),
    "n repetitions of an escape": lambda n: _message(MSH, PID, OBR, _with(OBX, 5, r"\F\ " * n)),
    "n escapes that do not end": lambda n: _message(MSH, PID, OBR, _with(OBX, 5, "\\" * n)),
    "an escape of n hexadecimal digits": lambda n: _message(
        MSH, PID, OBR, _with(OBX, 5, "\\X" + "41" * n + "\\")),
    "a hexadecimal escape that fails after n": lambda n: _message(
        MSH, PID, OBR, _with(OBX, 5, "\\X" + "41" * n + "Z\\")),
    "a value of n digits": lambda n: _message(MSH, PID, OBR, _with(OBX, 5, "9" * n)),
    "a structured value of n digits": lambda n: _message(
        MSH, PID, OBR, _obx(1, f2="SN", f5="<^" + "9" * n)),
    "a range of n dashes": lambda n: _message(MSH, PID, OBR, _with(OBX, 7, "1" + "-" * n)),
    "a range of n blanks": lambda n: _message(MSH, PID, OBR, _with(OBX, 7, "1" + " " * n + "x")),
    "a range of n digits": lambda n: _message(MSH, PID, OBR, _with(OBX, 7, "1" * n)),
    "a unit of n braces": lambda n: _message(MSH, PID, OBR, _with(OBX, 6, "{" * n)),
    "a time of n digits": lambda n: _message(MSH, PID, OBR, _with(OBX, 14, "2" * n)),
    "a version of n digits": lambda n: _message(_with(MSH, 12, "2." + "1" * n), PID, OBR, OBX),
    "a version of n parts": lambda n: _message(_with(MSH, 12, "2" + ".1" * n), PID, OBR, OBX),
    "a charset of n repetitions": lambda n: _message(_with(MSH, 18, "~^" * n), PID, OBR, OBX),
    "bytes of another charset": lambda n: _message(MSH, PID, OBR, _with(OBX, 13, "\xff" * n)),
    "n messages": lambda n: _message(MSH, PID, OBR, OBX) * n,
    "n headers": lambda n: _message(*[MSH] * n),
    "n envelopes": lambda n: _message(*["BHS|", "BTS|5"] * n, MSH, PID, OBR, OBX),
    "n unknown segments": lambda n: _message(MSH, PID, OBR, *["QQQ|1"] * n, OBX),
    "n lines that are no segments": lambda n: _message(MSH, PID, OBR, OBX, *["x"] * n),
    "n line ends": lambda n: _message(MSH, PID, OBR, OBX) + b"\n \r" * n,
    "n segments within one": lambda n: _message(MSH, PID, OBR, OBX + "OBX|1" * n),
    "n digits of a segment within one": lambda n: _message(MSH, PID, OBR, OBX + "OBX|" + "1" * n),
    "n frames' marks": lambda n: b"\x0b\x1c" * n + _message(MSH, PID, OBR, OBX),
}  # fmt: skip
_AS_ANOTHER = (
    "OBX-5: n repetitions and n fields", "OBX-8: n repetitions and n fields",
    "OBX-3: n LOINC codes", "OBX-3: n subcomponents", "n observations, MSH-7 of n characters",
    "n observations, OBR-7 of n components", "n observations, OBR-22 of n components",
    "n observations, OBR-25 of n components", "n observations, ORC-3 of n components",
    "n specimens of n components", "n orders", "n observations of n values and one time",
    "n corrections of one number", "an escape of n hexadecimal digits", "a value of n digits",
    "a range of n digits", "a range of n dashes", "a version of n digits", "n headers",
    "n segments within one", "n frames' marks", "n repetitions of an escape",
)  # fmt: skip
"""They go the way of others, which the tests measure."""
_STORED_IN_TESTS = (
    "n messages",
    "n observations of one number and minute",
    "n corrections of one number",
)


def read(data: bytes) -> None:
    """Read all messages of a body, without storing their results."""
    for sent in split(data):
        read_oru(parse(sent, None), _NAMES, Site(), [])


def _authority(data: bytes) -> None:
    for sent in split(data):
        read_oru(parse(sent, None), _NAMES, Site("STUDY"), [])


def _post(build: Callable[[int], bytes], **headers: str) -> Callable[[int], Sent]:
    return lambda n: request("POST", "/hl7v2", build(n), content_type="text/plain", **headers)


class _Writer:
    """The end of a connection to which answers are written, and which reads them at once."""

    def write(self, _: bytes) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else _Socket()


class _Socket:
    def setsockopt(self, *_: int) -> None: ...


class _Receiver:
    async def receive(self, data: bytes, _: str | None = None) -> Received:
        return Received((refused_unread(MACHINE, data, "not stored"),))


def _mllp(data: bytes) -> None:
    """Read the frames of a connection that ends."""

    async def serve() -> None:
        listener = Listener(lambda _: _Receiver(), Limits(1 << 23, 60), MACHINE)  # type: ignore[arg-type,return-value]
        reader = asyncio.StreamReader(1 << 23)
        for at in range(0, len(data), 65_536):
            reader.feed_data(data[at : at + 65_536])
        reader.feed_eof()
        await listener._connected(reader, _Writer())  # type: ignore[arg-type]

    asyncio.run(serve())


_FRAMES: dict[str, Callable[[int], bytes]] = {
    "n frames": lambda n: (START + _message(MSH, PID, OBR, OBX) + END) * n,
    "n frames that do not end": lambda n: (START + b"MSH|") * n + END,
    "n ends of lines": lambda n: b"\r\n" * n,
    "a frame of n separators": lambda n: START + b"\x1c" * n + END,
    "n empty frames": lambda n: (START + END) * n,
}


def cases() -> list[Case]:
    """Every message, read; some of them stored over HTTP; and the frames of MLLP."""
    stored = {n: b for n, b in _ATTACKS.items() if n.startswith(("n ", "PID", "a version"))}
    return [
        *(Case("HL7 v2", attack, build, read, in_tests=attack not in _AS_ANOTHER)
          for attack, build in _ATTACKS.items()),
        Case("HL7 v2", "PID-3: n repetitions, a site's authority",
             lambda n: _message(MSH, _with(PID, 3, "x^^^y~" * n), OBR, OBX), _authority),
        *(Case("POST /hl7v2", attack, _post(build), answered, in_tests=attack in _STORED_IN_TESTS)
          for attack, build in stored.items()),
        Case("POST /hl7v2", "n messages under a key", _post(_ATTACKS["n messages"], idempotency_key="k"),
             answered),
        *(Case("MLLP", attack, build, _mllp) for attack, build in _FRAMES.items()),
    ]  # fmt: skip
