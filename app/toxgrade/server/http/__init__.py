"""What all doors over HTTP share: requests read strictly, errors, authorization, middleware."""
