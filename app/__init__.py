"""Toxgrade: laboratory toxicity graded per CTCAE, labelled acute or late after radiotherapy.

The floors, from the roof down (imports go down only): ``main``/``cli``, ``demo``, ``api``,
``access``, ``batches``, ``cohort``, ``records``, ``grading``, ``criteria``, ``settings``,
``errors``.
"""
