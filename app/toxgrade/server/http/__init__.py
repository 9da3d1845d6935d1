"""What all HTTP doors share: strict reading of requests, errors, authorization, middleware."""
