"""Who may do what: API keys, bearer tokens, one role per study."""
