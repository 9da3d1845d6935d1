"""Toxgrade: laboratory toxicity graded per CTCAE v4.0 (release 4.03), acute or late, with reasons.

The floors, top to bottom; imports go down only: ``cli`` and ``main`` wire things together, ``demo``
is a synthetic cohort, ``api`` the JSON door, ``access`` guards it, ``batches`` grades files,
``records`` keeps grades with their history, ``grading`` decides, ``criteria`` are the rules as
data, ``settings`` and ``errors`` lie under all.
"""

__version__ = "0.1.0"
