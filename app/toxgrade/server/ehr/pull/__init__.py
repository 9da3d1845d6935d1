"""Pulling results from an EHR's FHIR server, patient by patient, to grade and store them."""
