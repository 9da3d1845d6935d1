"""Charts of a cohort or a patient, drawn with Altair as SVG."""
