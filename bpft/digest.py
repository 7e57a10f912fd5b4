"""BLAKE2b, which hashlib offers too, but not without loading OpenSSL for its other hashes."""

try:
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

__all__ = ["blake2b"]
