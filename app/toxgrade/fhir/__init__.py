"""FHIR R4 resources as plain objects: read leniently, checked, and turned into results."""
