"""Whole laboratory exports: graded row by row, summarised, compared with another grader."""
