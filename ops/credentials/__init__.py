"""Development keys and certificates, Redis users and what each may do.

May touch `security` and `settings`.
"""
