"""The benchmark's export graded in pandas without a loop over rows: ``LABS OUT WORST``.

What ``in_duckdb`` does, in floating point, as most do it.
"""

import sys

import numpy as np
import pandas as pd

from benchmarks.in_duckdb import HIGH, LEUKOCYTOSIS, LOW


def main(labs: str, out: str, worst: str) -> None:
    """Grade ``labs`` into ``out``, in its order, and the worst grades into ``worst``."""
    given = pd.read_csv(labs, dtype=str, keep_default_na=False)
    graded = _compared(_tests(_read(given)))
    columns = graded.drop(columns=["patient", "day", "rt_start", "rt_end", "worse"])
    beside = given.join(columns.set_index("row"), how="right").rename_axis("row").reset_index()
    beside.assign(row=beside["row"] + 1).to_parquet(out, index=False)
    seen = graded[graded["phase"] != "pre_treatment"]
    highest = seen.groupby(["patient", "term", "phase"], observed=True)[["at_least", "at_most"]]
    highest.max().unstack("phase").to_parquet(worst)


def _read(given: pd.DataFrame) -> pd.DataFrame:
    days = {name: pd.to_datetime(given[name]) for name in ("collected", "rt_start", "rt_end")}
    numbers = {name: pd.to_numeric(given[name]) for name in ("lln", "uln")}
    value = pd.to_numeric(given["value"].str.lstrip("<"))
    return pd.DataFrame(
        {
            "row": given.index, "patient": given["patient"], "analyte": given["analyte"],
            "day": days["collected"], "rt_start": days["rt_start"], "rt_end": days["rt_end"],
            "censored": given["value"].str.startswith("<"), "value": value, **numbers,
        }
    )  # fmt: skip


def _tests(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per result and term with its bounds, in the order of the rows."""
    parts = []
    of = dict(list(rows.groupby("analyte")))
    for analyte, (term, times) in HIGH.items():
        mine = of[analyte]
        grade = sum((mine["value"] > m * mine["uln"]).astype("int8") for m in times)
        least, most = grade.where(~mine["censored"], 0), grade.where(mine["uln"].notna(), 4)
        parts.append(_test(mine, term, least, most, mine["value"]))
    for analyte, (term, cuts) in LOW.items():
        mine = of[analyte]
        limits = [mine["lln"], *(pd.Series(float(c), mine.index) for c in cuts)]
        plain, below = (
            pd.Series(
                np.select(
                    [holds(mine["value"], limit) for limit in limits[::-1]],
                    range(len(limits), 0, -1),
                    0,
                ),
                mine.index,
            )
            for holds in (pd.Series.lt, pd.Series.le)
        )
        most = plain.where(mine["lln"].notna(), plain.clip(lower=1))
        most = most.where(~mine["censored"], len(limits))
        parts.append(_test(mine, term, plain.where(~mine["censored"], below), most, -mine["value"]))
    analyte, term, above = LEUKOCYTOSIS
    mine = of[analyte]
    grade = (mine["value"] > above).astype("int8") * 3
    parts.append(_test(mine, term, grade.where(~mine["censored"], 0), grade, mine["value"]))
    tests = pd.concat(parts)
    tests["term"] = tests["term"].astype("category")
    return tests.sort_values(["row", "term"], kind="stable", ignore_index=True)


def _test(
    rows: pd.DataFrame, term: str, least: pd.Series, most: pd.Series, worse: pd.Series
) -> pd.DataFrame:
    kept = rows[["row", "patient", "day", "rt_start", "rt_end"]]
    return kept.assign(
        term=term, at_least=least.astype("int8"), at_most=most.astype("int8"), worse=worse
    )


def _compared(tests: pd.DataFrame) -> pd.DataFrame:
    """The tests with their phase, their baseline's grade, and whether they are worse."""
    before = tests[tests["day"] <= tests["rt_start"]].assign(later=lambda frame: -frame["row"])
    order = ["day", "at_least", "at_most", "worse", "later"]
    last = before.sort_values(order).drop_duplicates(["patient", "term"], keep="last")
    last = last[["patient", "term", "row", "at_least", "at_most"]]
    last.columns = pd.Index(["patient", "term", "b_row", "b_least", "b_most"])
    both = tests.merge(last, on=["patient", "term"], how="left")
    until = both["rt_end"] + pd.DateOffset(months=3)
    least, most = both["at_least"], both["at_most"]
    phase = np.select(
        [both["row"] == both["b_row"], both["day"] <= both["rt_start"], both["day"] <= until],
        ["baseline", "pre_treatment", "acute"],
        "late",
    )
    worse = pd.Series(np.select([least > both["b_most"], most <= both["b_least"]], [1, 0], -1))
    return both.assign(
        grade=least.where(least == most),
        phase=pd.Categorical(phase),
        on_treatment=(both["day"] > both["rt_start"]) & (both["day"] <= both["rt_end"]),
        days_from_end=(both["day"] - both["rt_end"]).dt.days,
        baseline_grade=both["b_least"].where(both["b_least"] == both["b_most"]),
        worse_than_baseline=worse.map({1: True, 0: False}),
    ).drop(columns=["b_row", "b_least", "b_most"])


if __name__ == "__main__":
    main(*sys.argv[1:])
