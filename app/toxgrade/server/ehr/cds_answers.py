"""What the CDS Hooks service answers: which services there are, and cards."""

from collections.abc import Mapping, Sequence
from typing import Literal

from toxgrade.cohort.described import answer, described
from toxgrade.fhir.elements import OWN

Indicator = Literal["info", "warning", "critical"]


@answer
class CardSource:
    """Where a card comes from."""

    label: str = described("Who says this, and by which edition.", "Toxgrade, CTCAE v4.03")


@answer
class Card:
    """A card of CDS Hooks."""

    uuid: str = described("A new one for each card.", "7ae2d3a0-7a3b-4d3f-9c58-0d9f2a6c2b11")
    summary: str = described("At most 139 characters.", "Grade 3: Anemia (7.6 g/dL, acute)")
    detail: str = described("Markdown: a line for each thing to know.", "- Taken 2011-04-23: acute")
    indicator: Indicator = described("How much it matters.", "warning")
    source: CardSource = described("Where it comes from.")


@answer
class OverrideReason:
    """A reason for which a clinician may override a card."""

    system: str = described("The code system.", OWN)
    code: str = described("The code.", "already-known")
    display: str = described("What a clinician reads.", "Already known or being treated")


@answer
class CardLink:
    """A link of a card."""

    label: str = described("What a clinician reads.", "All grades of this patient")
    url: str = described("The patient's page.", "https://tox.example.org/studies/demo/patients/P01")
    type: Literal["absolute"] = described("It opens as it is.", "absolute")


@answer
class ToxicityCard(Card):
    """A card about the latest result of a term."""

    override_reasons: Sequence[OverrideReason] = described(
        "To choose from.", name="overrideReasons"
    )
    links: Sequence[CardLink] = described("To the patient's page.")


@answer
class Cards:
    """The answer to a call of the hook."""

    cards: Sequence[ToxicityCard | Card] = described("Worse than baseline first; then notices.")


@answer
class CdsService:
    """A service of CDS Hooks."""

    hook: str = described("When an EHR calls it.", "patient-view")
    id: str = described("Its name in the address.", "ctcae-labs")
    title: str = described("Its name for people.", "Laboratory toxicity after radiotherapy")
    description: str = described("What it does.", "Grades laboratory values by CTCAE.")
    requirements: str = described(
        "What calls need.", "Send both prefetch keys.", name="usageRequirements"
    )
    prefetch: Mapping[str, str] = described(
        "The queries whose answers are sent with a call, by key.",
        {"labs": "Observation?patient={{context.patientId}}&code=1975-2"},
    )


@answer
class CdsServices:
    """The services that there are."""

    services: Sequence[CdsService] = described("One.")
