"""FHIR R4 resources as plain objects: parsed leniently, checked and turned into results."""
