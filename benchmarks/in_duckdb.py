"""The benchmark's export graded in SQL, as an analyst would: ``LABS OUT WORST``, two Parquet files.

CTCAE 4.03 for the seven tests that the export holds, in the units it holds them: no other analyte,
unit, spelling, date or comparator is understood, and nothing has a reason or NCI's wording.
"""

import sys

import duckdb

HIGH = {  # a grade is reached above these multiples of the ULN
    "ALT": ("Alanine aminotransferase increased", (1, 3, 5, 20)),
    "AST": ("Aspartate aminotransferase increased", (1, 3, 5, 20)),
    "ALP": ("Alkaline phosphatase increased", (1, 2.5, 5, 20)),
    "TBIL": ("Blood bilirubin increased", (1, 1.5, 3, 10)),
}
LOW = {  # grade 1 below the LLN, higher ones below these
    "ALB": ("Hypoalbuminemia", (30, 20)),
    "WBC": ("White blood cell decreased", (3, 2, 1)),
    "PLT": ("Platelet count decreased", (75, 50, 25)),
}
LEUKOCYTOSIS = ("WBC", "Leukocytosis", 100)  # grade 3 above


def _grade(pairs: list[tuple[str, int]]) -> str:
    """The highest grade whose comparison holds; a comparison with a missing limit does not."""
    cases = " ".join(f"WHEN {holds} THEN {grade}" for holds, grade in pairs[::-1])
    return f"CASE {cases} ELSE 0 END"


def _selects() -> str:
    parts = []
    for analyte, (term, times) in HIGH.items():
        grade = _grade([(f"value > {m} * uln", g) for g, m in enumerate(times, 1)])
        least = f"CASE WHEN censored THEN 0 ELSE {grade} END"
        most = f"CASE WHEN uln IS NULL THEN 4 ELSE {grade} END"
        parts.append((analyte, term, least, most, "value"))
    for analyte, (term, cuts) in LOW.items():
        cut = ["lln", *map(str, cuts)]
        plain = _grade([(f"value < {c}", g) for g, c in enumerate(cut, 1)])
        below = _grade([(f"value <= {c}", g) for g, c in enumerate(cut, 1)])
        least = f"CASE WHEN censored THEN {below} ELSE {plain} END"
        most = (
            f"CASE WHEN censored THEN {len(cut)} WHEN lln IS NULL THEN greatest({plain}, 1)"
            f" ELSE {plain} END"
        )
        parts.append((analyte, term, least, most, "-value"))
    analyte, term, above = LEUKOCYTOSIS
    grade = f"CASE WHEN value > {above} THEN 3 ELSE 0 END"
    parts.append((analyte, term, f"CASE WHEN censored THEN 0 ELSE {grade} END", grade, "value"))
    return " UNION ALL ".join(
        f"SELECT row, patient, day, rt_start, rt_end, '{term}' AS term, {least} AS at_least,"
        f" {most} AS at_most, {worse} AS worse FROM read WHERE analyte = '{analyte}'"
        for analyte, term, least, most, worse in parts
    )


def main(labs: str, out: str, worst: str) -> None:
    """Grade ``labs`` into ``out``, in its order, and the worst grades into ``worst``."""
    number = "TRY_CAST({} AS DECIMAL(12, 4))"
    db = duckdb.connect(config={"temp_directory": f"{out}.spilled"})
    db.execute(
        f"""
        CREATE TABLE labs AS
            SELECT row_number() OVER () AS row, * FROM read_csv('{labs}', all_varchar = true);
        CREATE VIEW read AS SELECT row, patient, analyte, collected::DATE AS day,
            rt_start::DATE AS rt_start, rt_end::DATE AS rt_end, value[1] = '<' AS censored,
            {number.format("ltrim(value, '<')")} AS value, {number.format("lln")} AS lln,
            {number.format("uln")} AS uln FROM labs;
        CREATE TABLE tests AS {_selects()};
        CREATE TABLE baselines AS SELECT patient, term, arg_max(row, rank) AS b_row,
            arg_max(at_least, rank) AS b_least, arg_max(at_most, rank) AS b_most
            FROM (SELECT *, row(day, at_least, at_most, worse, -row) AS rank FROM tests
                  WHERE day <= rt_start)
            GROUP BY patient, term;
        CREATE TABLE graded AS SELECT row, patient, term,
            CASE WHEN at_least = at_most THEN at_least END AS grade, at_least, at_most,
            CASE WHEN row = b_row THEN 'baseline' WHEN day <= rt_start THEN 'pre_treatment'
                 WHEN day <= rt_end + INTERVAL 3 MONTH THEN 'acute' ELSE 'late' END AS phase,
            day > rt_start AND day <= rt_end AS on_treatment, day - rt_end AS days_from_end,
            CASE WHEN b_least = b_most THEN b_least END AS baseline_grade,
            CASE WHEN at_least > b_most THEN true WHEN at_most <= b_least THEN false END
                AS worse_than_baseline
            FROM tests LEFT JOIN baselines USING (patient, term);
        COPY (SELECT labs.*, graded.* EXCLUDE (row, patient) FROM graded JOIN labs USING (row)
              ORDER BY row, term) TO '{out}' (FORMAT parquet);
        COPY (SELECT patient, term, {
            ", ".join(
                f"max({bound}) FILTER (phase = '{phase}') AS {phase}_{bound}"
                for phase in ("baseline", "acute", "late")
                for bound in ("at_least", "at_most")
            )
        } FROM graded GROUP BY ALL ORDER BY ALL) TO '{worst}' (FORMAT parquet);
        """
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
