"""The column grader: grades millions of results at once, exactly as the plain grader does.

A rule stands here under the name that it has in ``grading/``; ``docs/architecture.md`` lists the
pairs, and what has no counterpart and why.
"""
