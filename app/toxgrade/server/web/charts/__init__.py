"""Charts of a cohort or a patient, as Vega-Lite, SVG, PNG or PDF."""
