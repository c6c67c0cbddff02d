"""Request signatures in two forms, a header with an HMAC and HTTP message signatures (RFC 9421), and the clients' keys.

May touch the floor of `security`.
"""
