"""Values of every analyte, for panels that touch every term of an edition."""

from benchmarks.recording.asked import lab

# analyte, unit, LLN, ULN, a baseline value, then values low and high (SYNTHETIC).
_ANALYTES = (
    ("bilirubin", "mg/dL", "0.2", "1.2", "0.9", "0.1", "4.1"),
    ("ALT", "U/L", None, "40", "31", "12", "250"),
    ("AST", "U/L", None, "35", "50", "20", "120"),
    ("ALP", "U/L", "40", "120", "110", "30", "400"),
    ("GGT", "U/L", None, "60", "70", "20", "700"),
    ("albumin", "g/dL", "3.5", "5.2", "4.1", "1.9", "5.3"),
    ("WBC", "10*9/L", "4", "10", "5.5", "1.5", "120"),
    ("platelets", "10*9/L", "150", "400", "210", "45", "500"),
    ("neutrophils", "10*9/L", "1.8", "7.5", "3.1", "0.7", "9"),
    ("lymphocytes", "10*9/L", "1", "4", "1.4", "0.3", "21"),
    ("hemoglobin", "g/dL", "12", "16", "13.1", "7.8", "19"),
    ("creatinine", "mg/dL", "0.5", "1.1", "0.8", "0.4", "2.9"),
    ("INR", None, "0.8", "1.2", "1.0", "0.7", "2.6"),
    ("aPTT", "s", "25", "35", "30", "20", "91"),
    ("CD4", "/mm3", "500", "1500", "700", "40", "1600"),
    ("cholesterol", "mg/dL", None, "200", "180", "100", "510"),
    ("CPK", "U/L", None, "170", "100", "20", "1800"),
    ("fibrinogen", "g/L", "2", "4", "3.1", "0.9", "5"),
    ("haptoglobin", "g/L", "0.3", "2", "1.1", "0.1", "2.5"),
    ("lipase", "U/L", None, "60", "30", "10", "310"),
    ("amylase", "U/L", None, "100", "60", "20", "210"),
    ("corrected calcium", "mmol/L", "2.1", "2.6", "2.3", "1.6", "3.3"),
    ("calcium", "mmol/L", "2.1", "2.6", "2.3", "1.9", "2.8"),
    ("ionized calcium", "mmol/L", "1.1", "1.3", "1.2", "0.85", "1.65"),
    ("glucose", "mmol/L", "3.9", "5.5", "5", "2.1", "15"),
    ("fasting glucose", "mmol/L", "3.9", "5.5", "5", "1.6", "9.5"),
    ("potassium", "mmol/L", "3.5", "5.1", "4.2", "2.7", "6.4"),
    ("magnesium", "mmol/L", "0.7", "1.05", "0.9", "0.35", "1.4"),
    ("sodium", "mmol/L", "135", "145", "140", "127", "157"),
    ("phosphate", "mmol/L", "0.8", "1.45", "1.1", "0.5", "1.6"),
    ("triglycerides", "mg/dL", None, "150", "120", "150", "600"),
    ("uric acid", "mg/dL", "2.5", "7", "5", "2", "9.5"),
    ("pH", None, "7.35", "7.45", "7.4", "7.2", "7.55"),
    ("LDH", "U/L", None, "250", "200", "100", "600"),
    ("LDL", "mg/dL", None, "130", "100", "50", "200"),
    ("HDL", "mg/dL", "40", None, "50", "30", "70"),
    ("creatinine clearance", "mL/min", "90", None, "95", "25.5", "120"),
    ("eosinophils", "10*9/L", None, "0.5", "0.2", "0.1", "2"),
)

BASELINES = [lab(a, base, unit, lln, uln, "2011-01-20")
             for a, unit, lln, uln, base, _, _ in _ANALYTES]  # fmt: skip
LOW = [lab(a, low, unit, lln, uln, "2011-02-14", source_id=f"LOW-{i}")
       for i, (a, unit, lln, uln, _, low, _) in enumerate(_ANALYTES)]  # fmt: skip
HIGH = [lab(a, high, unit, lln, uln, "2011-08-02", source_id=f"HIGH-{i}")
        for i, (a, unit, lln, uln, _, _, high) in enumerate(_ANALYTES)]  # fmt: skip
