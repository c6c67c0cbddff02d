"""Commands that make one request."""
