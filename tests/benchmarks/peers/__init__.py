"""What one would build otherwise, for `python -m ops bench latency`: other paths that do the platform's work.

Every peer checks token, signature, replay and rate limit with the platform's own verifiers and scripts, reads and
updates the same features in the same Redis, runs the same ONNX graph and leaves the same durable record and outbox
entry. What differs is the way a transaction takes to the model and back.
"""
