"""The web pages, which show people what the JSON API returns to programs."""
