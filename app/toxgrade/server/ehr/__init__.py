"""The doors for hospital systems: FHIR R4, CDS Hooks, HL7 v2."""
