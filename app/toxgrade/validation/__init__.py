"""Evidence that the installed software does what it says: ``toxgrade validate``.

``cases/*.csv`` are tables that a clinician can read, one case per line: ``edition``, ``analyte``,
``value``, ``unit``, ``lln``, ``uln``, ``limit_unit``, ``baseline`` with ``baseline_unit`` (dated
before radiotherapy, with the same limits), ``term``; the expected ``grade``, such as ``0-4`` where
several are possible, or empty where no bound is known; the ``reason`` of an undecided grade; and
``why``, the purpose of the case. The tests run the same tables.
"""
