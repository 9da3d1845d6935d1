"""HL7 v2: ORU^R01 messages taken over HTTP or MLLP, and acknowledged."""
