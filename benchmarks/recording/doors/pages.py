"""The web door: pages, pictures, forms, static files."""

from benchmarks.recording.asked import Asked, get

_HTML = "text/html,application/xhtml+xml"
_DEMO = "/studies/demo"


def _page(name: str, path: str) -> Asked:
    return get(name, path, _HTML)


def _form(name: str, path: str, **fields: str) -> Asked:
    sent = {name.replace("_", "-"): value for name, value in fields.items()}
    return Asked(name, "POST", path, form=sent, headers={"Accept": _HTML})


_PICTURES = tuple(
    get(f"picture {name} {query}", f"{_DEMO}/pictures/{name}.svg{query}")
    for name, query in (
        ("butterfly", ""), ("shift", ""), ("shift", "?row=Liver%20enzymes&phase=both"),
        ("edish", ""), ("swimmer", ""), ("swimmer", "?page=2"), ("incidence", ""),
        ("incidence", "?row=Liver%20enzymes&grade=1&width=400"),
    )
)  # fmt: skip
_SPECIFICATIONS = tuple(
    get(f"specification {name}", f"{_DEMO}/pictures/{name}.json")
    for name in ("butterfly", "shift", "edish", "swimmer", "incidence")
)
_STATIC = ("filter.js", "grade.js", "icon.svg", "pictures.js", "progress.js", "toxgrade.css",
           "upload.js", "vega.js", "nothing.js", "../page.py")  # fmt: skip
REQUESTS = (
    _page("studies", "/"),
    *(_page(f"table {phase}", f"{_DEMO}?phase={phase}") for phase in ("acute", "late", "both")),
    _page("table of five", "/studies/five"),
    _page("table of an empty one", "/studies/nowhere"),
    _page("behind any toxicity", f"{_DEMO}/behind/acute/any_toxicity"),
    _page("behind the other reading", f"{_DEMO}/behind/late/any_toxicity_alternative"),
    _page("behind the window", f"{_DEMO}/behind/acute/window_incomplete"),
    _page("behind a cell", f"{_DEMO}/behind/acute/Leukopenia/worst/2"),
    _page("behind a note", f"{_DEMO}/behind/both/Liver%20enzymes/worst/member_worse"),
    _page("behind nothing", f"{_DEMO}/behind/acute/Hiccough/worst/2"),
    _page("patients", f"{_DEMO}/patients"),
    _page("patients, page 2", f"{_DEMO}/patients?page=2"),
    _page("patient", f"{_DEMO}/patients/P13"),
    _page("patient of default", "/studies/default/patients/P1"),
    _page("patient nobody knows", f"{_DEMO}/patients/P99"),
    _page("audit", "/studies/default/audit"),
    _page("audit, next", "/studies/default/audit?after=100"),
    *(_page(f"page of {name}", f"{_DEMO}/pictures/{name}")
      for name in ("butterfly", "shift", "edish", "swimmer", "incidence", "pie")),
    *_PICTURES,
    *_SPECIFICATIONS,
    get("specification for a page", f"{_DEMO}/pictures/edish.json?for-page"),
    get("picture by Accept", f"{_DEMO}/pictures/edish", "image/svg+xml"),
    get("picture as PNG", f"{_DEMO}/pictures/shift.png"),
    get("picture as a document", f"{_DEMO}/pictures/edish.pdf"),
    get("picture as nothing", f"{_DEMO}/pictures/edish.gif"),
    get("picture of an odd row", f"{_DEMO}/pictures/incidence.svg?row=Hiccough"),
    get("picture too wide", f"{_DEMO}/pictures/edish.svg?width=9999"),
    get("timeline", f"{_DEMO}/patients/P13/timeline.svg"),
    get("timeline's specification", "/studies/default/patients/P1/timeline.json"),
    get("timeline of nobody", f"{_DEMO}/patients/P99/timeline.svg"),
    _page("criteria", "/criteria"),
    *(_page(f"criteria {name}", f"/criteria/{name}") for name in ("4.03", "5.0", "6.0", "7.0")),
    _page("criteria beside", "/criteria/4.03/6.0"),
    _page("panel", "/grade"),
    _form("panel sent", "/grade", start="2011-01-24", end="2011-03-09", before="2011-01-20",
          taken="2011-04-23", edition="5.0", analyte_0="bilirubin", unit_0="mg/dL", uln_0="1.2",
          base_0="0.9", value_0="1.8", analyte_1="WBC", unit_1="10*9/L", lln_1="4", value_1="2.8"),
    _form("panel with faults", "/grade", start="2011-02-30", taken="soon", edition="9",
          analyte_0="<b>", value_0="many", uln_1="-3"),
    _page("uploads", "/studies/trial/batches"),
    _page("upload", "/studies/five/batches/{batch}"),
    Asked("upload sent", "POST", "/studies/trial/batches", files={"labs": "labs.csv"},
          headers={"Sec-Fetch-Site": "same-origin"}),
    Asked("upload from elsewhere", "POST", "/studies/trial/batches", files={"labs": "labs.csv"},
          headers={"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}),
    get("rejects of an upload", "/studies/five/batches/{batch}/rejects.csv"),
    _page("sign in", "/sign-in"),
    _form("sign in with nothing", "/sign-in", key=""),
    _form("sign out", "/sign-out"),
    *(get(f"static {name}", f"/static/0/{name}") for name in _STATIC),
    _page("no such page", "/nowhere"),
    _page("odd number", f"{_DEMO}/patients?page=x"),
)  # fmt: skip
