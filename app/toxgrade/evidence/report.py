"""The report for a validation file, as HTML and as JSON."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_TEMPLATES = Environment(
    loader=PackageLoader("toxgrade.evidence", ""), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def write_report(report: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``toxgrade-validation-DATE.html`` and ``.json`` to a folder; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"toxgrade-validation-{report['at'].replace(':', '')[:17]}"
    page = _TEMPLATES.get_template("report.html").render(report)
    texts = {".html": page, ".json": json.dumps(report, indent=1, ensure_ascii=False) + "\n"}
    written = []
    for suffix, text in texts.items():
        path = folder / f"{name}{suffix}"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
