"""One laboratory value of a request, read exactly and only once."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_wrap_validator_function

from toxgrade.api.fields import CollectedAt, Issued, LimitOfNormal, Name, Text, Value
from toxgrade.grading.result import LabResult


class Asked(BaseModel):
    """Unknown fields are refused: a misspelt ``uln`` must not pass as a missing one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LabValue(Asked):
    """One laboratory value as the laboratory reported it."""

    analyte: Name = Field(description="A name, alias or LOINC code.", examples=["bilirubin"])
    value: Value = None
    unit: Text | None = Field(None, examples=["mg/dL"])
    lln: LimitOfNormal = None
    uln: LimitOfNormal = None
    limit_unit: Text | None = Field(None, description="The limits' unit, if it is another one.")
    collected: CollectedAt = None
    status: Literal[
        "final", "amended", "corrected", "preliminary", "superseded", "cancelled",
        "entered-in-error",
    ] = "final"  # fmt: skip
    source_id: Text | None = Field(None, description="The sender's own number of the result.")
    lab: Text | None = Field(None, description="The laboratory; a study's range may depend on it.")
    issued: Issued = None

    def result(self) -> LabResult:
        return LabResult(
            analyte=self.analyte,
            value=self.value,
            unit=self.unit,
            lln=self.lln.number if self.lln else None,
            uln=self.uln.number if self.uln else None,
            limit_unit=self.limit_unit,
            collected=self.collected,
            status=self.status,
            source_id=self.source_id or None,
            lab=self.lab or None,
            issued=self.issued,
        )


_USUAL = frozenset(
    {"analyte", "value", "unit", "lln", "uln", "limit_unit", "status", "collected", "source_id"}
)
_KEPT = 20_000  # values without whose they are, about 10 MB


@lru_cache(_KEPT)
def _measurement(
    analyte: Any, value: Any, unit: Any, lln: Any, uln: Any, limit_unit: Any, status: Any
) -> LabResult:
    return LabValue.model_validate(
        {"analyte": analyte, "value": value, "unit": unit, "lln": lln, "uln": uln,
         "limit_unit": limit_unit, "status": status}
    ).result()  # fmt: skip


_date = lru_cache(_KEPT)(TypeAdapter(CollectedAt).validate_python)
_source_id = TypeAdapter(Text | None).validate_python


def _written(number: object) -> object:
    """A JSON number as it was written: 1.80 and 1.8 are equal, but not the same report."""
    return str(number) if type(number) is Decimal or type(number) is int else number


def _lab(given: object, validate: Callable[[object], LabValue]) -> LabResult:
    """The result that a ``LabValue`` says, without reading again what was read before.

    Of the values that laboratories send, most have been seen with the same unit and limits; only
    date and number are their own. What is wrong with one, ``LabValue`` itself says.
    """
    if isinstance(given, dict) and given.keys() <= _USUAL:
        get = given.get
        try:
            read = _measurement(
                get("analyte"), _written(get("value")), get("unit"), _written(get("lln")),
                _written(get("uln")), get("limit_unit"), get("status", "final"),
            )  # fmt: skip
            collected, source_id = _date(get("collected")), _source_id(get("source_id"))
        except (ValidationError, TypeError):  # TypeError: a list where a text belongs
            return validate(given).result()
        return LabResult(
            read.analyte, read.value, read.unit, read.lln, read.uln, read.limit_unit,
            collected, read.status, source_id=source_id or None,
        )  # fmt: skip
    return validate(given).result()


@dataclass(frozen=True)
class ReadAs:
    """What JSON must look like, where a handler is given what it means."""

    model: type[BaseModel]
    read: Callable[[object, Callable[[object], Any]], object]

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_wrap_validator_function(self.read, handler(self.model))


Lab = Annotated[LabResult, ReadAs(LabValue, _lab)]
