"""Request signatures: HMAC over the request line and body, and HTTP message signatures (RFC 9421).

Holds the clients' own keys too.
"""
