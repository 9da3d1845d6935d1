"""What every door over HTTP shares: the service at work, requests read strictly, errors, guards."""
