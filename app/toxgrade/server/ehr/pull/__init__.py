"""Results pulled from an EHR's FHIR server, patient by patient, graded and stored."""
