"""The column grader: grades millions of results at once, exactly as the plain grader does."""
