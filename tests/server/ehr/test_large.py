"""Many at once, real samples, and callers without a key."""

import json
from pathlib import Path

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.fhir.resources import (
    answered,
    bundle,
    derived,
    issues,
    observation,
    parameters,
    post,
    quantity,
)
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings


def test_a_bundle_of_ten_thousand_and_not_one_more(stateless: httpx.Client) -> None:
    entries = [
        {"resource": observation(id=f"o{i}", valueQuantity=quantity(f"1.{i % 10}", "mg/dL"))}
        for i in range(10_000)
    ]
    found = derived(answered(stateless, bundle(entry=entries)))
    assert [one["derivedFrom"][0]["reference"] for one in found[::999]] == [
        f"Observation/o{i}" for i in range(0, 10_000, 999)
    ]
    answer = post(stateless, bundle(entry=[*entries, entries[0]]))
    assert answer.status_code == 413
    assert "batches" in answer.json()["issue"][0]["details"]["text"]


@pytest.mark.parametrize(
    "name", ["fhir_r4_patient_bundle.json", "fhir_r4_observations_1000.json"]
)  # fmt: skip
def test_of_a_real_bundle_nothing_is_lost(
    stateless: httpx.Client, shared_samples: Path, name: str
) -> None:
    """They carry no reference ranges: what needs a ULN is undecided, what has fixed limits not."""
    sent = json.loads((shared_samples / name).read_text())
    resources = answered(stateless, sent)
    ids = {
        f"Observation/{entry['resource']['id']}"
        for entry in sent["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    }
    found = derived(resources)
    assert {one["derivedFrom"][0]["reference"] for one in found} == ids
    for one in found:
        assert ("valueInteger" in one) != ("dataAbsentReason" in one)
        if one["code"]["text"] == "Alanine aminotransferase increased":
            assert one["dataAbsentReason"]["text"] == "missing-uln"
    assert {code for code, _ in issues(resources)} <= {
        "missing-uln", "missing-lln", "unknown-analyte", "not-a-number", "missing-baseline",
        "missing-value", "implausible-value",
    }  # fmt: skip


def test_platelets_of_a_us_core_sample(stateless: httpx.Client, shared_samples: Path) -> None:
    sent = json.loads((shared_samples / "fhir_r4_observation_platelets.json").read_text())
    assert [one["valueInteger"] for one in derived(answered(stateless, bundle(sent)))] == [0]


def test_keys_are_asked_for_and_their_roles_hold(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    with transaction(url) as opened:
        key = create_key(opened, "tests", "reader", ["default"])
    with served(Settings(database_url=url)) as client:
        assert client.get("/fhir/metadata").status_code == 200
        assert client.get("/cds-services").status_code == 200
        for path in ("/fhir/$ctcae-grade", "/cds-services/ctcae-labs"):
            answer = client.post(path, json={})
            assert answer.status_code == 401
            assert answer.json()["issue"][0]["code"] == "login"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        client.headers["Authorization"] = f"Bearer {key}"
        assert post(client, bundle(observation())).status_code == 200
        stored = post(client, parameters(bundle(observation()), persist=True, patient="P1"))
        assert (stored.status_code, stored.json()["issue"][0]["code"]) == (403, "forbidden")
        other = post(client, parameters(bundle(observation()), study="other"))
        assert other.status_code == 404
