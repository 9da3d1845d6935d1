"""Study results as a paper reports them: worst grades, tables, shifts, survival, liver safety."""
