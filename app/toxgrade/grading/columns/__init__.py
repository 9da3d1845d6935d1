"""The column grader: millions of results at once, with exactly the grades of the plain one."""
