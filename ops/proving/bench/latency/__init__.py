"""`python -m ops bench latency`: the scoring path beside two usual ways to build it, doing the same work."""
