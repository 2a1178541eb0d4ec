"""Pure: bytes from the wire → facts."""
