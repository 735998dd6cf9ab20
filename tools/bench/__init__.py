"""What the gateway costs, measured against other ways to do the same work: `make bench` (docs/performance.md)."""
