"""What was read before is not read again, and that never shows."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.server.api.panels import value
from toxgrade.server.api.lab_values import Lab, LabValue
from toxgrade.server.http.body import read_json

_LAB: TypeAdapter[Any] = TypeAdapter(Lab)

_NUMBERS: st.SearchStrategy[object] = st.sampled_from(
    [
        "1.8",
        "1.80",
        Decimal("1.8"),
        Decimal("1.80"),
        1,
        True,
        "1",
        1.0,
        "<1",
        "x",
        "",
        None,
        [1],
        {},
    ]
)
_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "analyte": st.sampled_from(["bilirubin", "TBIL", "", None, 5, ["ALT"]]),
        "value": _NUMBERS, "lln": _NUMBERS, "uln": _NUMBERS,
        "unit": st.sampled_from(["mg/dL", None, 5, "m\0g"]),
        "limit_unit": st.sampled_from(["mg/dL", None, True]),
        "collected": st.sampled_from(["2011-04-23", "2011", "2011-02-30", 2011, None, "", []]),
        "status": st.sampled_from(["final", "corrected", None, "FINAL"]),
        "source_id": st.sampled_from(["L1", "", None, 1, "x" * 201, "a\n"]),
        "issued": st.sampled_from(["2011-04-23T14:45:00+02:00", "2011", None]),
        "usn": st.just(1),
    },
)  # fmt: skip


def _outcome(read: Any) -> object:
    try:
        return read()
    except ValidationError as error:
        return [(e["type"], e["loc"], e["msg"]) for e in error.errors()]


@settings(max_examples=400, deadline=None)
@given(_FIELDS)
def test_it_reads_what_the_model_reads_and_refuses_what_it_refuses(sent: dict[str, Any]) -> None:
    once = _outcome(lambda: _LAB.validate_python(sent))
    again = _outcome(lambda: _LAB.validate_python(dict(sent)))
    model = _outcome(lambda: LabValue.model_validate(sent).result())
    assert once == again == model
    assert repr(once) == repr(model)  # 1.8 and 1.80 are equal; they are not the same report


@pytest.mark.parametrize("written", ["1.8", "1.80", '"1.8"', '"1.80"'])
def test_a_number_comes_back_as_it_was_written(written: str) -> None:
    sent = read_json(
        json.dumps(value(value=0)).replace('"value": 0', f'"value": {written}').encode()
    )
    assert _LAB.validate_python(sent).value.text == written.strip('"')
