"""The SIP protocol core (RFC 3261 and its updates): no I/O, no clock, no randomness of its own."""
