"""Reports on a study: tables, shifts, late toxicity, time to a grade, survival, liver safety."""

from benchmarks.recording.asked import Asked, get

_DEMO, _FIVE = "/v1/studies/demo", "/v1/studies/five"


def _tables(study: str, *queries: str) -> tuple[Asked, ...]:
    return tuple(get(f"table {query or 'by default'} {study[12:]}",
                     f"{study}/toxicity-table{query and '?'}{query}")
                 for query in queries)  # fmt: skip


REQUESTS = (
    *_tables(
        _DEMO,
        "",
        "phase=late",
        "phase=both",
        "on_treatment=false",
        "include_baseline=true",
        "course=2",
        "phase=middle",
        "colour=red",
        "as_of=2020-01-01T00:00:00Z",
    ),
    *_tables(_FIVE, "", "phase=both"),
    *_tables("/v1/studies/default", "", "phase=both&course=2", "as_of={early}"),
    *_tables("/v1/studies/nowhere", ""),
    get("table as CSV", f"{_DEMO}/toxicity-table?phase=acute", "text/csv"),
    get("table as HTML", f"{_DEMO}/toxicity-table?phase=late", "text/html"),
    get("table of five as HTML", f"{_FIVE}/toxicity-table", "text/html"),
    get("shift of a row", f"{_DEMO}/shift-table?term=Liver%20enzymes"),
    get("shift of a term", f"{_DEMO}/shift-table?term=Platelet%20count%20decreased&phase=both"),
    get("shift of none", f"{_DEMO}/shift-table?term=Hiccough"),
    get("shift without term", f"{_DEMO}/shift-table"),
    get("late", f"{_DEMO}/late-toxicity"),
    get("late of five", f"{_FIVE}/late-toxicity"),
    get("late, second course", "/v1/studies/default/late-toxicity?course=2"),
    get("time to grade 2", f"{_DEMO}/time-to-grade?term=Leukopenia&grade=2"),
    get("time to grade 1", f"{_DEMO}/time-to-grade?term=Liver%20enzymes&grade=1"),
    get("time to grade 9", f"{_DEMO}/time-to-grade?term=Leukopenia&grade=9"),
    get("survival", f"{_DEMO}/survival"),
    get("survival of five", f"{_FIVE}/survival"),
    get("liver", f"{_DEMO}/liver-safety"),
    get("liver by three", f"{_DEMO}/liver-safety?limit=3&cursor=P04&within_days=14"),
    get("liver of default", "/v1/studies/default/liver-safety"),
    get("liver within 99", f"{_DEMO}/liver-safety?within_days=99"),
    get("audit of the demo", f"{_DEMO}/audit?limit=5"),
)
