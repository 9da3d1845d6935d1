"""CTCAE's criteria as data that a clinician can read."""
