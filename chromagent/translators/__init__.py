"""Wire formats. Each is pure: no I/O, clock, randomness, environment or logging; the same input gives the same bytes."""
