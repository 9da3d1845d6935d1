"""A laboratory value in a request, read by a cache: most repeat with their unit and limits."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import CoreSchema, no_info_wrap_validator_function

from toxgrade.grading.fields import meaning
from toxgrade.grading.result import LabResult
from toxgrade.server.api.fields import (
    ACCEPTED_LIMIT,
    CollectedAt,
    Issued,
    LimitOfNormal,
    Name,
    RequestModel,
    Text,
    Value,
)


class LabValue(RequestModel):
    """One laboratory value as the laboratory reported it."""

    analyte: Name = Field(description="A name, alias or LOINC code.", examples=["bilirubin"])
    value: Value = None
    unit: Text | None = Field(None, description=meaning("unit"), examples=["mg/dL"])
    lln: LimitOfNormal = Field(None, description=f"{meaning('lln')} {ACCEPTED_LIMIT}")
    uln: LimitOfNormal = Field(None, description=f"{meaning('uln')} {ACCEPTED_LIMIT}")
    limit_unit: Text | None = Field(None, description=meaning("limit_unit"))
    collected: CollectedAt = None
    status: Literal[
        "final", "amended", "corrected", "preliminary", "superseded", "cancelled",
        "entered-in-error",
    ] = Field(
        "final", description="Only `final`, `amended` and `corrected` ones are graded."
    )  # fmt: skip
    source_id: Text | None = Field(None, description="The sender's own number of the result.")
    specimen: Text | None = Field(
        None, description="What it was taken from; left out: blood, serum or plasma.",
        examples=["serum"],
    )  # fmt: skip
    indicator: Text | None = Field(
        None, description="The laboratory's own flag: normal (N), high (H, HH) or low (L, LL). It"
        " stands in for limits that were not sent.", examples=["H"],
    )  # fmt: skip
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
            specimen=self.specimen or None,
            indicator=self.indicator or None,
            lab=self.lab or None,
            issued=self.issued,
        )


_CACHEABLE_FIELDS = frozenset(
    {
        "analyte",
        "value",
        "unit",
        "lln",
        "uln",
        "limit_unit",
        "status",
        "collected",
        "source_id",
        "specimen",
        "indicator",
    }
)
_SLICE, _MANY_FAULTS = 200, 500
_CACHE_SIZE = 20_000  # lab values without their patients: about 10 MB


@lru_cache(_CACHE_SIZE)
def _cached_result(
    analyte: Any, value: Any, unit: Any, lln: Any, uln: Any, limit_unit: Any, status: Any,
    specimen: Any, indicator: Any,
) -> LabResult:  # fmt: skip
    return LabValue.model_validate(
        {"analyte": analyte, "value": value, "unit": unit, "lln": lln, "uln": uln,
         "limit_unit": limit_unit, "status": status, "specimen": specimen, "indicator": indicator}
    ).result()  # fmt: skip


_date = lru_cache(_CACHE_SIZE)(TypeAdapter(CollectedAt).validate_python)
_source_id = TypeAdapter(Text | None).validate_python


def _as_text(number: object) -> object:
    """Return a JSON number as its text: 1.80 and 1.8 are equal, but not the same report."""
    return str(number) if type(number) is Decimal or type(number) is int else number


def _read_lab(given: object, validate: Callable[[object], LabValue]) -> LabResult:
    """Return a lab value as a ``LabResult``, from the cache if an equal value was read before.

    Most values repeat with their unit and limits; the date is cached by itself and ``source_id``
    is not cached. What the cache cannot take or finds wrong, ``LabValue`` reads or refuses.
    """
    if isinstance(given, dict) and given.keys() <= _CACHEABLE_FIELDS:
        get = given.get
        try:
            read = _cached_result(
                get("analyte"), _as_text(get("value")), get("unit"), _as_text(get("lln")),
                _as_text(get("uln")), get("limit_unit"), get("status", "final"), get("specimen"),
                get("indicator"),
            )  # fmt: skip
            collected, source_id = _date(get("collected")), _source_id(get("source_id"))
        except (ValidationError, TypeError):  # A list cannot be a key of the cache: TypeError.
            return validate(given).result()
        return LabResult(
            read.analyte, read.value, read.unit, read.lln, read.uln, read.limit_unit,
            collected, read.status, source_id=source_id or None, specimen=read.specimen,
            indicator=read.indicator,
        )  # fmt: skip
    return validate(given).result()


@dataclass(frozen=True)
class ReadAs:
    """Annotates a type whose JSON is documented as ``model`` and converted by ``read``."""

    model: type[BaseModel]
    read: Callable[[object, Callable[[object], Any]], object]

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_wrap_validator_function(self.read, handler(self.model))


Lab = Annotated[LabResult, ReadAs(LabValue, _read_lab)]


def _read_in_slices(given: object, read: ValidatorFunctionWrapHandler) -> object:
    """Return a list that is validated piece by piece; what follows many faults is not looked at.

    pydantic lists the faults of a piece in one call, and meanwhile no other thread runs.
    """
    if not isinstance(given, list) or len(given) <= _SLICE:
        return read(given)
    found: list[LabResult] = []
    faults: list[InitErrorDetails] = []
    for at in range(0, len(given), _SLICE):
        try:
            found += read(given[at : at + _SLICE])
        except ValidationError as error:
            faults += (_moved(fault, at) for fault in error.errors(include_url=False))
        if len(faults) > _MANY_FAULTS:
            break
    if faults:
        raise ValidationError.from_exception_data("results", faults)
    return found


def _moved(fault: ErrorDetails, by: int) -> InitErrorDetails:
    index, *rest = fault["loc"]
    kind = PydanticCustomError(fault["type"], fault["msg"])
    return InitErrorDetails(type=kind, loc=(int(index) + by, *rest), input=None)


Labs = Annotated[list[Lab], WrapValidator(_read_in_slices)]
