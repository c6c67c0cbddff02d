"""Commands about keys, certificates and revocations."""
