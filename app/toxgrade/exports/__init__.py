"""A whole laboratory export: graded row by row, summarised, or compared with another grader's."""
