"""HL7 v2: ORU^R01 messages in over HTTP or MLLP, acknowledgements out."""
