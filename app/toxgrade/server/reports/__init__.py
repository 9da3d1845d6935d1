"""Reports on a stored study: queries that feed ``cohort``, and the documents built from them."""
