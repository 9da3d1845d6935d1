"""Evidence that the software as it is installed does what it says: ``toxgrade validate``.

``cases/*.csv`` are tables that a clinician can read, one case per line: ``edition``, ``analyte``,
``value``, ``unit``, ``lln``, ``uln``, ``limit_unit``, ``baseline`` with ``baseline_unit`` (dated
before radiotherapy; its limits are the same), ``term``; the expected ``grade``, as ``0-4`` where
what is known allows several and empty where nothing can be said; the ``reason`` of one that is not
decided; and ``why``. The tests run the same tables.
"""
