"""Certificates of TLS, as far as the standard library can read them."""
