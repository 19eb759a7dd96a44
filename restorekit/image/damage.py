"""The errors that decoders are known to raise on damaged files."""

import struct
import zlib

__all__ = ["DAMAGE"]

DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError,
          AssertionError, AttributeError, RuntimeError, struct.error, zlib.error)  # fmt: skip
