"""Commands about the embedded stack as a whole."""
