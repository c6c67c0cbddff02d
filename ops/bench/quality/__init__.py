"""Detection quality under the Fraud Detection Handbook's protocol."""
