"""Words by which exports name their columns and tests, in several languages: for guesses alone.

Nothing is graded by them: ``toxgrade inspect`` proposes what they mean, and a person agrees.
"""

import re
import unicodedata

_WEAK = {"id", "nr", "no", "nummer", "number", "date", "datum", "name", "von", "bis", "wert"}
"""Words that say something only where no other word does."""

COLUMNS = {
    "patient": "patient pat patnr patid patienten pid subject subjid usubjid person proband fall"
    " mrn nhc nhs paziente paciente recordid subjectid personid id nr nummer",
    "collected": "collected collection draw drawn sample sampled specimen abnahme entnahme probe"
    " blutentnahme afname messdatum chartdate charttime lbdtc adt visitdate measurementdate"
    " prelevement extraccion prelievo toma date datum fecha",
    "collected_day": "lbdy ady studyday studientag",
    "analyte": "analyte test testname parameter untersuchung analyse analyt laborparameter lbtestcd"
    " paramcd messgrosse bezeichnung methode examen prueba esame component itemid name",
    "value": "value result ergebnis messwert befund resultat resultado risultato uitslag aval avalc"
    " lborres valuenum wert",
    "unit": "unit units einheit einh masseinheit unite unidad unita lborresu avalu eenheid",
    "range": "range normbereich referenzbereich referenz normalwert normwert norm reference"
    " refrange normal sollwert normalbereich",
    "lln": "lln low lower untere unten min minimum lbornrlo anrlo rangelow norm_von von",
    "uln": "uln high upper obere oben max maximum lbornrhi anrhi rangehigh norm_bis bis",
    "comparator": "comparator operator sign zeichen qualifier vorzeichen",
    "specimen": "specimen material probenmaterial probenart sample fluid lbspec"
    " untersuchungsmaterial",
    "indicator": "indicator flag abnormal auffallig kennung bewertung lbnrind anrind markierung",
    "baseline": "baseline ablfl lbblfl lblobxfl ausgangswert",
    "status": "status resultstatus stat befundstatus ergebnisstatus statut estado stato",
    "source_id": "sourceid befundnummer auftragsnummer auftrag labornummer accession",
    "rt_start": "rtstart rtbeginn bestrahlungsbeginn therapiebeginn trtsdt rfstdtc",
    "rt_end": "rtend rtende bestrahlungsende therapieende trtedt rfendtc",
    "birth": "birth birthdate geburt dob brthdtc",
    "sex": "sex gender geschlecht geschl sexe sexo",
}  # fmt: skip
"""By our name of a column, words of such columns' names; ``birth`` and ``sex`` are only told."""

_OTHERWISE = {
    "patient": "type class group name names vorname nachname nom nombre nome initials initialen"
    " site centre center zentrum study studie sample specimen probe order accession visit age sex"
    " status ward",
    "collected": "birth birthdate geb geburt geburtsdatum geboren geboortedatum nacimiento"
    " naissance nascita dob received reported report result results printed verified validated"
    " entered updated order ordered befund eingang ausgang freigabe druck start end",
    "value": "age alter edad leeftijd id no nr number nummer code concept ref low high lower upper"
    " laag hoog normal prior previous vorwert min max",
}  # fmt: skip
"""Words by which a column is none of ours, whatever else its name says."""

_TESTS = {
    "potassium": "kalium potasio potassio potas potass",
    "sodium": "natrium sodio",
    "calcium": "kalzium calcio",
    "magnesium": "magnesio magnes",
    "phosphate": "phosphat fosfato fosfaat phosphor",
    "creatinine": "kreatinin krea creatinina creatinin kreatinine",
    "bilirubin": "gesamtbilirubin|bilirubin gesamt|bilirubin ges|bili gesamt|bilirubina total"
    "|bilirubina totale|bilirubine totale",
    "ALT": "gpt alat tgp sgpt alt",
    "AST": "got asat tgo sgot ast",
    "ALP": "alkalische phosphatase|alk phosphatase|alkph|phosphatase alcaline|fosfatasa alcalina",
    "GGT": "gamma gt|g gt|ggt|gammagt|gamma glutamyltransferase",
    "albumin": "albumine albumina",
    "WBC": "leukozyten leukos leukocyten leucocytes leucocitos leucociti",
    "platelets": "thrombozyten thrombos plaquettes plaquetas piastrine trombocyten",
    "hemoglobin": "hamoglobin haemoglobin hemoglobina hemoglobine emoglobina",
    "neutrophils": "neutrophile|neutrophile absolut|neutrophile abs|neutrofilos|neutrofili",
    "lymphocytes": "lymphozyten|lymphozyten absolut|lymphozyten abs|linfocitos|linfociti",
    "eosinophils": "eosinophile|eosinophile absolut|eosinophile abs",
    "glucose": "glukose blutzucker glucosa glucosio glicemia",
    "cholesterol": "cholesterin|gesamtcholesterin|choles|colesterol|colesterolo",
    "triglycerides": "triglyzeride triglyceride trigliceridos trigliceridi",
    "uric acid": "harnsaure|uricac|acide urique|acido urico",
    "LDH": "laktatdehydrogenase lactatdehydrogenase",
    "CPK": "kreatinkinase creatinkinase|ck gesamt",
    "haptoglobin": "haptoglobine",
    "amylase": "alpha amylase|amilasa|amilasi",
    "lipase": "lipasa|lipasi",
    "INR": "inr quick|quick inr",
}  # fmt: skip
UNITS = {
    "/nl": "10*9/L", "th/mm3": "10*9/L", "tsd/mm3": "10*9/L", "10**9/l": "10*9/L",
    "thou/ul": "10*9/L", "cells/cumm": "/mm3", "/cumm": "/mm3", "units": "1", "phunits": "1",
}  # fmt: skip
"""Units as some write them, folded, and one of ours each."""

_PLACES = re.compile(
    r"\b(?:i\.? ?[sp]\.?|im (?:serum|plasma|blut)|in serum|\(s\))\s*$", re.IGNORECASE
)
"""Behind a test's name: in serum, plasma or blood."""


def folded(text: str) -> str:
    """Return a text in small letters, without accents and signs, its words apart."""
    plain = unicodedata.normalize("NFKD", text[:200].casefold())
    letters = "".join(one for one in plain if not unicodedata.combining(one))
    return " ".join(re.findall(r"[^\W_]+", letters))


TESTS = {
    folded(name): ours
    for ours, names in _TESTS.items()
    for name in (names.split("|") if "|" in names else names.split())
}
"""Names of tests, folded, with ours."""
_WORDS = {ours: frozenset(words.split()) for ours, words in COLUMNS.items()}
_OTHER_WORDS = {ours: frozenset(words.split()) for ours, words in _OTHERWISE.items()}


def named_like(ours: str, column: str) -> int:
    """Return how much a column's name says that it is one of ours: 0 nothing, 1 little, 3 all."""
    words, known = folded(column).split(), _WORDS[ours]
    if "".join(words) in known - _WEAK or "_".join(words) in known:
        return 3
    if any(_is_like(word, one) for word in words for one in known - _WEAK):
        return 2
    return int(bool(set(words) & known))


def named_otherwise(ours: str, column: str) -> bool:
    """Return whether a column's name says that it is something else than one of ours."""
    words = folded(column).split()
    return not {"".join(words), "_".join(words)} & _WORDS[ours] and bool(
        _OTHER_WORDS.get(ours, frozenset()) & {*words}
    )


def _is_like(word: str, known: str) -> bool:
    """Return whether a word is a known one, a compound that begins with a long one, or its first
    eight letters: names in SAS transport files have no more.
    """
    begins = len(known) >= len("probe") and word.startswith(known)
    return word == known or begins or (len(word) == len("collecte") and known.startswith(word))


def test_forms(name: str) -> list[str]:
    """Return the parts of a test's name that may each name it: ``GPT (ALAT)`` has two."""
    bare = _PLACES.sub("", name.strip())
    parts = [part.strip() for part in re.split(r"[()\[\]/,]", bare)]
    return [part for part in parts if part]
