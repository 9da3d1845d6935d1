"""Files and frames, in and out: formats, column layouts, mappings."""
