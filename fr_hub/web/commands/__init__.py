"""Commands that need the libraries of the API."""
