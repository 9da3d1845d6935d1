"""Reference ranges as laboratories print them, in canonical units: (LLN, ULN)."""

TYPICAL = {
    "bilirubin": ("3.4", "20.5"), "ALT": ("10", "40"), "AST": ("10", "40"), "ALP": ("40", "120"),
    "GGT": ("10", "60"), "albumin": ("35", "50"), "WBC": ("4", "10"), "platelets": ("150", "400"),
    "creatinine": ("60", "106"), "hemoglobin": ("120", "160"), "fibrinogen": ("2", "4"),
    "neutrophils": ("2", "7"), "lymphocytes": ("1", "4"), "eosinophils": ("0.05", "0.5"),
    "CD4": ("0.5", "1.5"), "creatinine clearance": ("80", "140"), "INR": ("0.8", "1.2"),
    "aPTT": ("25", "35"), "haptoglobin": ("0.3", "2"), "LDH": ("120", "240"), "CPK": ("40", "200"),
    "lipase": ("10", "60"), "amylase": ("30", "110"), "calcium": ("2.15", "2.6"),
    "corrected calcium": ("2.15", "2.6"), "ionized calcium": ("1.12", "1.32"),
    "glucose": ("3.9", "5.6"), "fasting glucose": ("3.9", "5.6"), "potassium": ("3.5", "5"),
    "sodium": ("135", "145"), "magnesium": ("0.7", "1"), "phosphate": ("0.8", "1.45"),
    "cholesterol": ("3", "5.2"), "LDL": ("1.5", "3.4"), "HDL": ("1", "2"),
    "triglycerides": ("0.5", "1.7"), "uric acid": ("200", "420"), "pH": ("7.35", "7.45"),
}  # fmt: skip
NARROW = {"sodium", "pH", "calcium", "corrected calcium", "ionized calcium"}
"""Tests with narrow plausible bands: the oracle stretches their ranges by at most 3 percent."""
