"""`python -m ops bench quality`: how well the hybrid model detects fraud, beside published figures."""
