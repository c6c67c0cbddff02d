"""Commands about transactions and histories."""
