"""`python -m ops bench latency`: the scoring path beside what one would build otherwise, doing the same work."""
