"""The definitions of the liver safety figures, each with its source, as an answer shows them."""

from toxgrade.cohort.ascites import NEAR_DAYS
from toxgrade.cohort.child_pugh import LOOK_BACK_DAYS
from toxgrade.cohort.rild import BILIRUBIN_DAYS
from toxgrade.cohort.rises import ALP_DAYS

DEFINITIONS = {
    "use": "candidates and flags for review, never diagnoses",
    "albi": "0.66 x log10(bilirubin umol/L) - 0.085 x albumin g/L of one day (1 mg/dL as 17.1"
    " umol/L); grade 1 <= -2.60, 2 <= -1.39, else 3 (Johnson, J Clin Oncol 2015;33:550);"
    " change: worst acute - baseline, grade 1 > 0.25, grade 2 > 0.5",
    "hys_law": "bilirubin > 2 x ULN on bilirubin_date, from first_date to within_days (30) days"
    " after it; first_date: the first day after the start of radiotherapy with ALT or AST >= 3 x"
    " ULN of a rise, which ends where what is measured of the two is below; ALP < 2 x ULN on"
    f" first_date, else on the nearest day up to {ALP_DAYS} before; date: the last day of the rise"
    " up to bilirubin_date (FDA, Drug-Induced Liver Injury: Premarketing Clinical Evaluation, July"
    " 2009; the days are this project's); other causes are to be excluded",
    "cholestatic": "the same with ALP >= 2 x ULN",
    "without_alp": "the same where no ALP decides it; listed in incomplete as well",
    "incomplete": "what may be a finding by what is known, and what is missing to know it",
    "x_baseline": "multiples of the last value up to the start, where that is not known to be"
    " normal. Lines of mDISH: ALT 3.8 x, bilirubin 4.8 x baseline (Lin, Drug Saf 2012;35:865)",
    "r_ratio": "ALT x ULN / ALP x ULN (Benichou, J Hepatol 1990;11:272); nr_ratio: with the higher"
    " of ALT and AST (Robles-Diaz, Gastroenterology 2014;147:109); >1000 counts as 1000",
    "non_classic_rild": "up to 3 calendar months after the end of radiotherapy: ALT or AST > 5 x"
    " ULN, > 20 x ULN where the baseline was above 5 x ULN, or Child-Pugh 2 above the baseline's"
    " (Pan, IJROBP 2010;76:S94; within three months of the end: Li, Radiat Oncol 2023;18:48)",
    "classic_rild": "14 days to 4 calendar months after the end of radiotherapy: ALP >= 2 x ULN"
    " that has risen, and >= 2 x baseline where the baseline was above ULN; bilirubin < 2 x ULN on"
    f" the nearest day within {BILIRUBIN_DAYS}; ascites of CTCAE grade >= 1 that began after the"
    f" start, present within {NEAR_DAYS} days on either side (Lawrence, IJROBP 1995;31:1237; Pan,"
    " IJROBP 2010;76:S94); that it is not malignant is to be judged",
    "child_pugh": "bilirubin < 2, to 3, > 3 mg/dL (34, 51 umol/L); albumin > 35, to 28, < 28 g/L;"
    " INR < 1.7, to 2.3, > 2.3; ascites CTCAE grade 0, 1, from 2; encephalopathy 0, 1 to 2, from 3;"
    " 1 to 3 points each, A to 6, B to 9, C from 10 (Pugh, Br J Surg 1973;60:646). Scored on days"
    " of a laboratory item or a clinician's record, each laboratory item of that day or of the"
    f" nearest up to {LOOK_BACK_DAYS} days before. Ascites and Encephalopathy are recorded as"
    " events, grade 0 for none",
    "peak_x_uln": "the highest multiple of ULN certainly after the start (eDISH); >1000 counts as"
    " 1000; peak_at_most: of all that may be after it, by all that their limits may be, null: no"
    " bound",
}
