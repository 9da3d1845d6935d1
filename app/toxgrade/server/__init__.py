"""The HTTP service: its database, doors and workers; the extra ``toxgrade[server]`` installs it."""
