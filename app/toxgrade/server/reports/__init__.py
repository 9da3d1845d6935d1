"""What a stored study says: the queries behind ``cohort``, and the answers they become."""
