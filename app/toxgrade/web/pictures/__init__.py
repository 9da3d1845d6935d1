"""The pictures: one function each, from small aggregated rows to a Vega-Lite specification."""
