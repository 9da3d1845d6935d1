"""Commands of the program over files and on the database, as plain data.

The files are SYNTHETIC: the demo's cohort, and small exports with every kind of fault. ``{out}`` is
the folder of a command's own outputs, kept whole; the others work beside the inputs.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """One command: its words, and the input file that it gets as standard input."""

    name: str
    words: tuple[str, ...]
    stdin: str | None = None


def _run(name: str, words: str, stdin: str | None = None) -> Run:
    return Run(name, tuple(word.replace("~", " ") for word in words.split()), stdin)


def _grade(name: str, words: str, output: str = "graded.csv", stdin: str | None = None) -> Run:
    return _run(f"grade {name}", f"grade {words} -o {{out}}/{output}", stdin)


_EXCEL = "--encoding cp1252 --decimal , --dates %d.%m.%Y --null n.d."
_XPT = (
    "--map patient=PATIENT --map collected=COLLECTE --map analyte=ANALYTE --map value=VALUE"
    " --map unit=UNIT --map lln=LLN --map uln=ULN"
)
_COHORT = "cohort.csv --patients cohort_patients.csv"
_REJECTS = "--rejects {out}/rejects.csv"
GRADE = (
    _grade("CSV", f"labs.csv --patients patients.csv {_REJECTS} --worst {{out}}/worst.csv"),
    _grade("strict", "labs.csv --strict"),
    _grade("without dates", "labs.csv"),
    _grade("TSV", "labs.tsv --patients patients.csv", "graded.tsv"),
    _grade("semicolons", f"excel.csv --patients patients.csv {_EXCEL} {_REJECTS}"),
    _grade("undeclared", "excel.csv --encoding cp1252"),
    _grade("gzip", "labs.csv.gz --patients patients.csv", "graded.csv.gz"),
    _grade("to zstandard", "labs.csv --patients patients.csv", "graded.csv.zst"),
    _grade("Parquet", "labs.parquet --patients patients.csv", "graded.parquet"),
    _grade("typed Parquet", "typed.parquet --patients patients.csv"),
    _grade("NDJSON", "labs.ndjson --patients patients.csv", "graded.ndjson"),
    _grade("FHIR", f"observations.ndjson {_REJECTS}"),
    _grade("XLSX", f"labs.xlsx --sheet Labs --patients patients.csv {_REJECTS}"),
    _grade("XPT", f"labs.xpt --patients patients.csv {_XPT} {_REJECTS}"),
    _grade("SDTM", f"sdtm_lb.csv --patients sdtm_dm.csv {_REJECTS} --worst {{out}}/worst.csv"),
    _grade("SDTM standard by rule", "sdtm_lb.csv --patients sdtm_dm.csv --values standard"
           " --baseline rule", "graded.parquet"),
    _grade("SDTM as XPT", f"sdtm_lb.xpt --patients sdtm_dm.csv {_REJECTS}"),
    _grade("short rows", f"short.csv {_REJECTS}"),
    _grade("wide", f"wide.csv --map wide.toml --decimal , --dates %d.%m.%Y --null n.d. {_REJECTS}"),
    _grade("renamed", "renamed.csv --map patient=Pat-ID --map collected=Drawn --map analyte=Test"
           " --map value=Result --rt-from begin,finish --null=--"),
    _grade("cohort", f"{_COHORT} --worst {{out}}/worst.parquet --table {{out}}/table.csv"),
    _grade("cohort late", f"{_COHORT} --table {{out}}/table.json --phase late --names adam"),
    _grade("cohort both", f"{_COHORT} --table {{out}}/table.html --phase both", "graded.parquet"),
    _grade("cohort by 5.0", f"{_COHORT} --edition 5.0 --reading hyponatremia=grade-2"
           " --worst {out}/worst.csv"),
    _grade("cohort by 6.0", f"{_COHORT} --edition 6.0 --window end+6m --worst {{out}}/worst.csv"),
    _grade("cohort window", f"{_COHORT} --window rtog90 --worst {{out}}/worst.csv"),
    _grade("several files", "labs.csv labs.tsv --patients patients.csv"),
    _grade("pattern", "labs*.csv"),
    _run("grade standard streams", "grade - --format csv -o -", "labs.csv"),
    _grade("ragged", f"ragged.csv {_REJECTS}"),
    _grade("broken", "broken.csv"),
    _grade("without columns", "columns.csv"),
    _grade("reversed dates", "labs.csv --patients reversed.csv"),
    _grade("missing", "nowhere.csv"),
    _grade("odd edition", "labs.csv --edition 3.0"),
    _grade("odd window", "labs.csv --window half"),
    _grade("odd reading", "labs.csv --reading weather=fine"),
    _grade("odd output", "labs.csv", "graded.doc"),
    _run("grade over its input", "grade labs.csv -o labs.csv"),
    _run("compare prepared", "grade ours.csv -o ours_graded.csv --edition 5.0"),
    _run("compare", "compare ours_graded.csv adlb.csv --keys"
         " patient=USUBJID,collected=ADTC,analyte=PARAMCD -o {out}/differences.csv"),
    _run("compare odd keys", "compare ours_graded.csv adlb.csv --keys nothing"),
)  # fmt: skip

_LABS = "--labs cohort.csv --patients cohort_patients.csv"
_PICTURES = ("butterfly", "shift", "edish", "swimmer", "incidence")
PLOT = (
    *(_run(f"plot {name}", f"plot {name} {_LABS} -o {{out}}/{name}.svg") for name in _PICTURES),
    _run("plot edish by 5.0", f"plot edish {_LABS} --edition 5.0 -o {{out}}/edish.json"),
    _run("plot timeline", f"plot timeline --patient P13 {_LABS} -o {{out}}/timeline.svg"),
    _run("plot stored", "plot incidence --study demo --row Leukopenia --min-grade 1 --width 500"
         " -o {out}/incidence.svg"),
    _run("plot stored timeline", "plot timeline --study demo --patient P05 -o {out}/timeline.png"),
    _run("plot document", "plot shift --study demo --phase late -o {out}/shift.pdf"),
    _run("plot nothing", "plot pie --study demo -o {out}/pie.svg"),
    _run("plot nobody", "plot timeline --study demo -o {out}/pie.svg"),
    _run("plot gif", "plot edish --study demo -o {out}/edish.gif"),
)  # fmt: skip

OTHERS = (
    _run("version", "--version"),
    _run("no command", ""),
    _run("odd command", "grde"),
    _run("odd option", "grade labs.csv --colour red"),
    _run("criteria check", "criteria check"),
    _run("criteria page", "criteria page"),
    _run("criteria compare", "criteria compare 4.03 6.0"),
    _run("criteria compare five", "criteria compare 5.0 4.0"),
    _run("criteria compare nothing", "criteria compare 4.03 9"),
    _run("criteria compare study", "criteria compare 4.03 5.0 --study demo"),
    _run("validate", "validate -o {out}/validation"),
    _run("report", "report demo -o -"),
    _run("report page", "report demo -o {out}/table.html --phase both --no-on-treatment"),
    _run("report document", "report five -o {out}/table.json --include-baseline"),
    _run("report nowhere", "report nowhere -o -"),
    _run("ranges load", "ranges load ranges.csv --study default"),
    _run("ranges show", "ranges show --study default"),
    _run("ranges wrong", "ranges load ranges_wrong.csv --study default"),
    _run("regrade", "regrade five --edition 6.0 --reading hyponatremia=grade-2"),
    _run("regrade reading", "regrade trial --reading hypokalemia=grade-1"),
    _run("regrade nowhere", "regrade nowhere --edition 6.0"),
    _run("report regraded", "report five -o -"),
    _run("keys list", "keys list"),
    _run("keys create", "keys create Ward~7 --role reader --study trial --days 3"),
    _run("keys create nowhere", "keys create Ward~7 --role reader --study nowhere"),
    _run("keys revoke nothing", "keys revoke tox_nothing"),
    _run("audit head", "audit head"),
    _run("audit verify", "audit verify"),
    _run("db upgrade", "db upgrade"),
    _run("db grant", "db grant nobody"),
    _run("pull nowhere", "pull --fhir-url http://127.0.0.1:9/fhir --patients nowhere.csv"),
)

COMMANDS = ("grade", "compare", "serve", "worker", "mllp", "pull", "report", "plot", "regrade",
            "ranges", "ranges load", "ranges show", "keys", "keys create", "keys list",
            "keys revoke", "audit", "audit head", "audit verify", "db", "db upgrade", "db grant",
            "criteria", "criteria check", "criteria page", "criteria compare",
            "validate")  # fmt: skip
HELP = (
    _run("help", "--help"),
    *(_run(f"help {name}", f"{name} --help") for name in COMMANDS),
)
