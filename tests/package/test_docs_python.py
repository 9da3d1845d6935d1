"""The examples of ``docs/python.md`` run, in order, and print what the page shows."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[2] / "docs" / "python.md"
_EXAMPLE = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.M | re.S)


def test_the_examples_print_what_the_page_shows() -> None:
    """A ``text`` block directly after a ``python`` block is what that one prints; else nothing."""
    page = _PAGE.read_text(encoding="utf-8")
    examples = _EXAMPLE.findall(page)
    assert len(examples) == page.count("```python\n") > 5
    names: dict[str, Any] = {}
    for code, expected in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == expected, code
