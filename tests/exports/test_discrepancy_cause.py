"""Why two graders differ: for each cause, made-up cases that a clinician can follow."""

from pathlib import Path

import polars as pl
import pytest

from tests.exports.compared_files import compared
from toxgrade.grading.rules import Rules

_OURS = "patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end"
_COURSE = "2024-01-10,2024-02-20"
_THEIRS = "USUBJID,ADT,PARAMCD,AVAL,AVALU,BASE,ANRLO,ANRHI,ATOXGRL,ATOXGRH"
_BEFORE, _START, _AFTER = "2023-12-20", "2024-01-05", "2024-03-02"


def causes(
    folder: Path, edition: str, ours: str, theirs: str, header: str = _THEIRS
) -> list[tuple[int | None, int | None, str, str | None]]:
    """Return our grade, theirs, the cause, and what they graded by, of each discrepancy.

    ``ours``: results as ``day test value unit LLN-ULN``; ``theirs``: rows of ``header`` from the
    date on. All are one patient's.
    """
    days = {"before": _BEFORE, "baseline": _START, "after": _AFTER}
    labs = [_OURS]
    for line in ours.split(" | "):
        day, test, value, unit, limits = line.split()
        lln, uln = limits.split("..")
        labs.append(f"P1,{days[day]},{test},{value},{unit.strip('-')},{lln},{uln},{_COURSE}")
    rows = [header]
    for line in theirs.split(" | "):
        day, *cells = line.strip().split(",")
        rows.append(",".join(["P1", days[day], *cells]))
    found = compared(folder, "\n".join(labs), "\n".join(rows), Rules(edition=edition)).differences
    found = found.filter(~pl.col("cause").is_in(["only-ours", "only-theirs"]))
    by = pl.concat_str("their_term", "their_edition", separator=", ", ignore_nulls=True)
    rows_found = found.select("grade", "their_grade", "cause", by.replace("", None)).rows()
    return [(row[0], row[1], row[2], row[3]) for row in rows_found]


BASELINE = [
    # Baseline ALT 100 is 2.5 x ULN. In 5.0 a later 250 is 2.5 x baseline: 1. Of the ULN it is 3.
    ("5.0", "baseline ALT 100 U/L ..40 | after ALT 250 U/L ..40",
     "after,ALT,250,U/L,100,,40,,3", (1, 3, "baseline", None)),
    # The same without any column of theirs that tells: no unit, no range, no baseline.
    ("5.0", "baseline ALT 100 U/L ..40 | after ALT 250 U/L ..40",
     "after,ALT,3", (1, 3, "baseline", None)),
    # They compared with 80 (an earlier visit): 250 is 3.1 x, so 2.
    ("5.0", "baseline ALT 100 U/L ..40 | after ALT 250 U/L ..40",
     "after,ALT,250,U/L,80,,40,,2", (1, 2, "baseline", None)),
    # A creatinine of before the baseline, within range, which they compared with it: 1.1 x.
    ("4.03", "before CREAT 79.56 umol/L 71..141 | baseline CREAT 70.72 umol/L 71..141",
     "before,CREAT,79.56,umol/L,70.72,71,141,,1", (0, 1, "baseline", None)),
    # The same, of which their file has no baseline column.
    ("4.03", "before CREAT 79.56 umol/L 71..141 | baseline CREAT 70.72 umol/L 71..141",
     "before,CREAT,79.56,umol/L,,71,141,,1", (0, 1, "baseline", None)),
    # Bilirubin 1.1 x ULN, baseline 1.3 x ULN: 0 in 5.0 (below 1 x baseline), 1 by range alone.
    ("5.0", "baseline BILI 27.36 umol/L 3..21 | after BILI 23.94 umol/L 3..21",
     "after,BILI,23.94,,27.36,3,21,,1", (0, 1, "baseline", None)),
    # They grade the baseline relative to itself, which is always 0.
    ("5.0", "baseline ALT 70 U/L ..40", "baseline,ALT,70,U/L,70,,40,,0", (1, 0, "baseline", None)),
    # We have no baseline, so creatinine is undecided; they compared with 60: 2.
    ("4.03", "after CREAT 100 umol/L 50..110", "after,CREAT,100,umol/L,60,50,110,,2",
     (None, 2, "baseline", None)),
]  # fmt: skip

UNIT = [
    # Bilirubin 1.8 mg/dL is 1.5 x ULN: 1. As 1.8 umol/L it is normal.
    ("4.03", "after BILI 1.8 mg/dL ..1.2", "after,BILI,1.8,umol/L,,,,,0", (1, 0, "unit", None)),
    # Haemoglobin 9.5 g/dL is 2; 9.5 of anything smaller is life-threatening in no grade: 3.
    ("4.03", "after HGB 9.5 g/dL 12..16", "after,HGB,9.5,g/L,,12,16,3,", (2, 3, "unit", None)),
    # Their column names the unit to which they converted: it is the same result.
    ("4.03", "after BILI 1.8 mg/dL ..1.2", "after,BILI,30.78,umol/L,,,20.52,,3",
     (1, 3, "rule", None)),
    # Without a unit column, g/L for g/dL would explain the 3, but not the grades that agree.
    ("4.03", "before HGB 11 g/dL 12.. | baseline HGB 10.5 g/dL 12.. | after HGB 9.5 g/dL 12..",
     "before,HGB,1 | baseline,HGB,1 | after,HGB,3", (2, 3, "rule", None)),
    # Without a unit column, but that explains all results of the test.
    ("4.03", "before HGB 11 g/dL 12.. | baseline HGB 10.5 g/dL 12.. | after HGB 9.5 g/dL 12..",
     "before,HGB,3 | baseline,HGB,3 | after,HGB,3", (2, 3, "unit", None)),
]  # fmt: skip

RANGE = [
    # ALT 121 is 3.03 x 40: 2; of their 50 it is 2.4 x: 1.
    ("4.03", "after ALT 121 U/L ..40", "after,ALT,121,U/L,,,50,,1", (2, 1, "range", None)),
    # In their unit: 0.83 ukat/L is 49.8 U/L.
    ("4.03", "after ALT 121 U/L ..40", "after,ALT,2.017,ukat/L,,,0.83,,1", (2, 1, "range", None)),
    # We have no limit; they have.
    ("4.03", "after ALT 121 U/L ..", "after,ALT,121,U/L,,,40,,2", (None, 2, "range", None)),
    # We have a limit; they have none, and so only the absolute steps: platelets 80 are 1, not <LLN.
    ("4.03", "after PLT 80 10^9/L 150..400", "after,PLT,80,10^9/L,,,,2,", (1, 2, "rule", None)),
    # The range is the same and only written otherwise, so it is no range that they differ in.
    ("4.03", "after ALT 121 U/L ..40", "after,ALT,121,U/L,,,40.0,,1", (2, 1, "rule", None)),
]  # fmt: skip

ROUNDING = [
    # 1.8 is 1.5 x 1.2, but a little more than 1.7999999999999998, as binary has it.
    ("4.03", "after BILI 1.8 mg/dL ..1.2", "after,BILI,1.8,mg/dL,,,1.2,,2",
     (1, 2, "rounding", None)),
    # 1.803 is above 1.5 x ULN; they kept 1.80 of it.
    ("4.03", "after BILI 1.803 mg/dL ..1.2", "after,BILI,1.80,mg/dL,,,1.2,,1",
     (2, 1, "rounding", None)),
    # They hold what binary makes of 0.8.
    ("4.03", "after LYM 0.8 10^9/L 0.8..3", "after,LYM,0.7999999999999999,10^9/L,,0.8,3,2,",
     (0, 2, "rounding", None)),
    # We read 0.30000000000000004 as 0.3, which is the ULN; they took it as it stands.
    ("4.03", "after BILI 0.30000000000000004 mg/dL ..0.3",
     "after,BILI,0.30000000000000004,mg/dL,,,0.3,,1", (0, 1, "rounding", None)),
    ("4.03", "after BILI 0.3 mg/dL ..0.29999999999999993",
     "after,BILI,0.3,mg/dL,,,0.3,,1", (0, 1, "rounding", None)),
    # They converted 1.2 mg/dL to 20.5 umol/L.
    ("4.03", "after BILI 1.8 mg/dL ..1.2", "after,BILI,30.78,umol/L,,,20.5,,2",
     (1, 2, "rounding", None)),
    # 5 x 40 is 200 in binary as well: who grades 200 as 3 reads "above" as "at least".
    ("4.03", "after ALT 200 U/L ..40", "after,ALT,200,U/L,,,40,,3", (2, 3, "rule", None)),
    # 119 is no rounding of 121.
    ("4.03", "after ALT 121 U/L ..40", "after,ALT,119,U/L,,,40,,1", (2, 1, "rule", None)),
]  # fmt: skip

CENSORED = [
    # <130 is up to 3.25 x ULN, so 0 to 2; they took it for 130.
    ("4.03", "after ALT <130 U/L ..40", "after,ALT,130,U/L,,,40,,2", (None, 2, "censored", None)),
    # They took half of it: 1.6 x.
    ("4.03", "after ALT <130 U/L ..40", "after,ALT,65,U/L,,,40,,1", (None, 1, "censored", None)),
    # The baseline was <130: they took that for 130, of which 390 is 3 x.
    ("5.0", "baseline ALT <130 U/L ..40 | after ALT 390 U/L ..40", "after,ALT,390,U/L,130,,40,,1",
     (None, 1, "censored", None)),
]  # fmt: skip

EDITION = [
    # INR 1.6 (ULN 1.3): 1.2 x ULN is 1 in 4.03; above 1.5 is 2 in 5.0 and 6.0.
    ("4.03", "baseline INR 1.3 - 0.8..1.3 | after INR 1.6 - 0.8..1.3",
     "after,INR,1.6,,1.3,0.8,1.3,,2", (1, 2, "edition", "5.0 or 6.0")),
    # The same the other way round.
    ("5.0", "baseline INR 1.3 - 0.8..1.3 | after INR 1.6 - 0.8..1.3",
     "after,INR,1.6,,1.3,0.8,1.3,,1", (2, 1, "edition", "4.03")),
    # ALT of an abnormal baseline could be either; INR shows that they follow 4.03 in both.
    ("5.0", "baseline INR 1.3 - 0.8..1.3 | after INR 1.6 - 0.8..1.3"
     " | baseline ALT 100 U/L ..40 | after ALT 250 U/L ..40",
     "after,INR,1.6,,1.3,0.8,1.3,,1 | after,ALT,250,U/L,100,,40,,3", (1, 3, "edition", "4.03")),
    # Their creatinine before the baseline is compared with it, which only 4.03 grades as 1.
    ("5.0", "before CREAT 79.56 umol/L 71..141 | baseline CREAT 70.72 umol/L 71..141",
     "before,CREAT,79.56,umol/L,70.72,71,141,,1", (0, 1, "baseline", "4.03")),
    # No edition gives 4.
    ("4.03", "after ALT 121 U/L ..40", "after,ALT,121,U/L,,,40,,4", (2, 4, "rule", None)),
]  # fmt: skip

TERM = [
    # Lymphocytes 0.63 are 2; as CD4 cells (which 0.63 is above 0.5) 1.
    ("4.03", "after LYM 0.63 10^9/L 0.8..3", "after,LYM,0.63,10^9/L,,0.8,3,1,,"
     "CD4 lymphocytes decreased,", (2, 1, "term", "CD4 lymphocytes decreased")),
    # The same term in other letters is no other term.
    ("4.03", "after LYM 0.63 10^9/L 0.8..3", "after,LYM,0.63,10^9/L,,0.8,3,4,,"
     "LYMPHOCYTE  COUNT DECREASED,", (2, 4, "rule", None)),
    # Nor is its name in another edition: 6.0 calls it lymphopenia.
    ("4.03", "after LYM 0.63 10^9/L 0.8..3", "after,LYM,0.63,10^9/L,,0.8,3,1,,Lymphopenia,",
     (2, 1, "edition", "6.0")),
    # A name that no edition has is told where nothing else explains the grade,
    ("4.03", "after LYM 0.63 10^9/L 0.8..3", "after,LYM,0.63,10^9/L,,0.8,3,4,,Low T cells,",
     (2, 4, "term", "Low T cells")),
    # but not where a range does.
    ("4.03", "after ALT 121 U/L ..40", "after,ALT,121,U/L,,,50,,1,,High ALT",
     (2, 1, "range", None)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edition", "ours", "theirs", "expected"),
    [*BASELINE, *UNIT, *RANGE, *ROUNDING, *CENSORED, *EDITION],
)
def test_a_discrepancy_has_its_true_cause(
    tmp_path: Path, edition: str, ours: str, theirs: str, expected: tuple[object, ...]
) -> None:
    header = _THEIRS
    if theirs.startswith("before,CREAT,79.56,umol/L,,"):
        header, theirs = header.replace("BASE,", ""), theirs.replace("umol/L,,", "umol/L,")
    if theirs.count(",") == 2 * len(theirs.split(" | ")):
        header = f"USUBJID,ADT,PARAMCD,{'ATOXGRL' if 'HGB' in theirs else 'ATOXGRH'}"
    found = causes(tmp_path, edition, ours, theirs, header)
    assert expected in found


@pytest.mark.parametrize(("edition", "ours", "theirs", "expected"), TERM)
def test_another_term_is_named(
    tmp_path: Path, edition: str, ours: str, theirs: str, expected: tuple[object, ...]
) -> None:
    header = f"{_THEIRS},ATOXDSCL,ATOXDSCH"
    assert causes(tmp_path, edition, ours, theirs, header) == [expected]
