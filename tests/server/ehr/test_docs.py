"""docs/ehr.md lists what codes and units are accepted; run as a module, this writes the lists."""

import re
from pathlib import Path

from toxgrade.criteria.model import Analyte, Unit
from toxgrade.criteria.reader import load

_PAGE = Path(__file__).parents[3] / "docs" / "ehr.md"
_FEW = 3  # Analytes with so many codes share a line.
_GENERATED = re.compile(r"(?<=<!-- generated -->\n).*?(?=<!-- end -->)", re.S)


def lists() -> str:
    """The tables of codes and of units."""
    analytes = list(load().analytes.values())
    lines = ["| analyte | LOINC, graded | LOINC, refused |", "|---|---|---|"]
    few = [a for a in analytes if len(a.loinc) <= _FEW and not a.refused_loinc]
    for analyte in (a for a in analytes if a not in few):
        refused = ", ".join(f"{code} ({what})" for code, what in analyte.refused_loinc.items())
        lines.append(f"| {analyte.name} | {', '.join(analyte.loinc)} | {refused} |")
    others = "; ".join(f"{analyte.name} {', '.join(analyte.loinc)}" for analyte in few)
    lines.append(f"| others | {others} | |")
    lines += ["", "| analytes | units, each with its other spellings |", "|---|---|"]
    alike: dict[tuple[Unit, ...], list[Analyte]] = {}
    for analyte in analytes:
        alike.setdefault(analyte.units, []).append(analyte)
    for units, sharing in alike.items():
        names = ", ".join(analyte.name for analyte in sharing)
        lines.append(f"| {names} | {'; '.join(_unit(unit) for unit in units)} |")
    lines += [
        "",
        "Spaces, `{annotations}` and the two micro signs do not matter; forms all in capitals"
        " or all in small letters are accepted where they cannot mean another unit.",
    ]
    return "\n".join(lines) + "\n"


def _unit(unit: Unit) -> str:
    spelled = f" ({', '.join(f'`{text}`' for text in unit.spellings)})" if unit.spellings else ""
    return f"`{unit.name}`{spelled}"


def test_the_page_lists_what_is_accepted() -> None:
    (written,) = _GENERATED.findall(_PAGE.read_text(encoding="utf-8"))
    assert written == lists(), "run python -m tests.server.ehr.test_docs"


if __name__ == "__main__":
    page = _PAGE.read_text(encoding="utf-8")
    _PAGE.write_text(_GENERATED.sub(lambda _: lists(), page), encoding="utf-8")
