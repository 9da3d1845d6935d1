"""The yardstick of a refactoring: what a caller of the program sees, recorded and compared.

Nothing of the package is imported here: the program is an executable file, its service an address.

    python -m benchmarks.recording record --program .venv/bin/toxgrade OUT
    python -m benchmarks.recording compare OUT OTHER
    python -m benchmarks.recording open --program .venv/bin/toxgrade OUT
"""
