"""The entries of a liver safety document: days, candidates and scores, with their multiples."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from toxgrade.cohort.child_pugh import ChildPugh
from toxgrade.cohort.criterion import Multiple
from toxgrade.cohort.hys_law import Jaundice
from toxgrade.cohort.liver_course import LiverCourse
from toxgrade.cohort.liver_day import ENZYMES, Day, albi_grade, r_ratio
from toxgrade.cohort.rild import Rild


def albi_entry(day: Day | None) -> dict[str, Any] | None:
    if day is None or day.albi is None:
        return None
    score = round(day.albi, 4)
    return {"date": day.written, "phase": day.phase, "score": score, "grade": albi_grade(day.albi)}


def jaundice_entry(series: LiverCourse, one: Jaundice) -> dict[str, Any]:
    """Return a candidate: the enzymes of the raised day, bilirubin of its own day."""
    bilirubin = {"bilirubin": one.bilirubin.x_uln["bilirubin"]}
    multiples = dict(one.raised.x_uln) | bilirubin
    based = dict(one.raised.x_baseline)
    if "bilirubin" in one.bilirubin.x_baseline:
        based["bilirubin"] = one.bilirubin.x_baseline["bilirubin"]
    return _entry(series, one.raised, multiples, based) | {
        "bilirubin_date": one.bilirubin.written,
        "first_date": one.first.written,
        "alp_x_uln": _text_or_number(one.alp),
    }


def rild_entry(series: LiverCourse, one: Rild) -> dict[str, Any]:
    entry = _entry(series, one.day, one.day.x_uln, one.day.x_baseline)
    return entry | {"ascites": one.ascites, "child_pugh": one.score}


def _entry(
    series: LiverCourse, day: Day, x_uln: Mapping[str, Multiple], based: Mapping[str, Multiple]
) -> dict[str, Any]:
    abnormal = (n for n in sorted(based) if series.bases[n].x_uln.above(1).holds is not False)
    return {
        "date": day.written,
        "phase": day.phase,
        "x_uln": {n: rounded(one.low) for n, one in sorted(x_uln.items()) if one.low},
        "censored": {n: text for n, one in sorted(x_uln.items()) if (text := _censored(one))},
        "x_baseline": {n: rounded(based[n].low) for n in abnormal if based[n].low},
        "r_ratio": _ratio(r_ratio(x_uln)),
        "nr_ratio": _ratio(r_ratio(x_uln, ENZYMES)),
    }


def child_pugh_document(scores: Sequence[tuple[Day, ChildPugh]]) -> dict[str, Any]:
    """Return every day with a score, or if there is none what the most complete day lacks."""
    complete = [(day, points) for day, points in scores if points.score is not None]
    missing = min((points.needs for _, points in scores), key=len, default=ChildPugh({}).needs)
    return {
        "scores": [
            {
                "date": day.written,
                "phase": day.phase,
                "score": points.score,
                "class": points.group,
                "points": dict(points.points),
            }
            for day, points in complete
        ],
        "incomplete": None if complete else f"incomplete, needs {', '.join(missing)}",
    }


def _censored(one: Multiple) -> str | None:
    """Return a multiple that is not exactly known, such as ``<2.0``; None: known, or nothing is."""
    if one.exact is not None or (not one.low and one.high is None):
        return None
    if one.high is None:
        return f"{'>' if one.low_open else '>='}{rounded(one.low)}"
    if not one.low:
        return f"{'<' if one.high_open else '<='}{rounded(one.high)}"
    return f"{rounded(one.low)} to {rounded(one.high)}"


def _text_or_number(one: Multiple | None) -> float | str | None:
    if one is None:
        return None
    return rounded(one.exact) if one.exact is not None else _censored(one)


def _ratio(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 2)


def rounded(multiple: Fraction | None) -> float | None:
    return None if multiple is None else round(float(multiple), 3)
