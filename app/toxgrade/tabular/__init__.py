"""Files and data frames in and out: formats, column layouts, mappings."""
