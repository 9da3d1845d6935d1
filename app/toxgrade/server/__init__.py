"""The HTTP service: its database, its doors, its workers; installed by ``toxgrade[server]``."""
