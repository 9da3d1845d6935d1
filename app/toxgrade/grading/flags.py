"""Why a result has no grade, and the remarks that a reader should see with one."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a result has no grade. When several apply, the first in this order is reported."""

    MISSING_PATIENT = "missing-patient"
    """A row of a file that names no patient."""
    AFTER_DEATH = "after-death"
    """A row of a file that is dated after the patient's death."""
    NOT_FINAL = "not-final"
    UNKNOWN_ANALYTE = "unknown-analyte"
    OTHER_SPECIMEN = "other-specimen"
    """The specimen is not blood, serum or plasma, or a venous one does not decide the grade."""
    MISSING_VALUE = "missing-value"
    UNREADABLE_VALUE = "unreadable-value"
    UNREADABLE_DATE = "unreadable-date"
    MISSING_UNIT = "missing-unit"
    UNKNOWN_UNIT = "unknown-unit"
    IMPLAUSIBLE_VALUE = "implausible-value"
    IMPLAUSIBLE_LIMIT = "implausible-limit"
    MISSING_ULN = "missing-uln"
    MISSING_LLN = "missing-lln"
    MISSING_BASELINE = "missing-baseline"
    CENSORED_VALUE = "censored-value"


class Flag(StrEnum):
    """A remark that a reader should see with a grade. A flag never changes a grade."""

    WITHIN_REFERENCE_RANGE = "within_reference_range"
    CLINICAL_GRADE_POSSIBLE = "clinical-grade-possible"
    UNUSABLE_RANGE = "unusable-range"
    """The ULN is zero or not above the LLN: the range counts as absent."""
    UNREADABLE_LIMIT = "unreadable-limit"
    """A limit in a file cannot be parsed: it counts as absent."""
    UNKNOWN_LIMIT_UNIT = "unknown-limit-unit"
    """The unit of the limits is not known for this analyte: the limits count as absent."""
    IMPLAUSIBLE_VALUE = "implausible-value"
    IMPLAUSIBLE_LIMIT = "implausible-limit"
    RANGE_FROM_STUDY = "range-from-study"
    """The laboratory sent no usable reference range: the study's own is used."""
    OLD_BASELINE = "old-baseline"
    BASELINE_AMBIGUOUS = "baseline-ambiguous"
    """Results of the baseline's day, without times, give different grades: these are bounds."""
    BASELINE_MAY_DIFFER = "baseline-may-differ"
    """A result without a full date may have been taken after the baseline and before the start."""
    RELATIVE_TO_BASELINE = "relative-to-baseline"
    """The baseline is abnormal, and this edition grades by multiples of it."""
    NO_RADIOTHERAPY_END = "no-radiotherapy-end"
    AFTER_DEATH = "after-death"
    """Dated after the patient's death, which was recorded later: it is in no report."""
    UNLIKELY_DATE = "unlikely-date"
    """In the future when it was stored, or decades from radiotherapy: no sign of follow-up."""
    ABNORMAL_NOT_GRADED = "abnormal-not-graded"
    """The value is beyond its reference range, but grade 0 by limits relative to the baseline."""
    CALCIUM_NOT_CORRECTED = "calcium-not-corrected"
    """The grade is from total calcium as reported; CTCAE means calcium corrected for albumin."""
    VENOUS_SAMPLE = "venous-sample"
    """CTCAE's grades of this test are of arterial or capillary blood; this sample is venous."""
    BY_INDICATOR = "by-indicator"
    """Without the sender's normal or abnormal flag the grade would be less certain."""
    INDICATOR_CONTRADICTS = "indicator-contradicts"
    """The sender's normal or abnormal flag contradicts the value and its range, which count."""
    BINARY_NOISE = "binary-noise"
    """A number of more than 15 significant digits, the print of a double, is read to 15."""
    POSSIBLE_DUPLICATE = "possible-duplicate"
    """Stored beside a result of the same number that may be the same: equal value, other time."""
    TWO_VALUES_ONE_TIME = "two-values-one-time"
    """Stored beside a result of the same number and time with another value."""
    CORRECTION_UNMATCHED = "correction-unmatched"
    """Sent as a correction or withdrawal, but which stored result it means cannot be told."""
    IGNORED_OLDER = "ignored-older"
    """What was sent is an older version of this stored result, and changed nothing."""
    FILLED_DOWN = "filled-down"
    """A cell of the file's row was empty and taken from the row above, as its reader declared."""


STORED_FLAGS = (
    Flag.POSSIBLE_DUPLICATE,
    Flag.TWO_VALUES_ONE_TIME,
    Flag.CORRECTION_UNMATCHED,
    Flag.IGNORED_OLDER,
    Flag.AFTER_DEATH,
)
"""The flags that only storing sets: they say what a result is beside all else that is
stored of its patient."""
