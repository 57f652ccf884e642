"""`make faults`: every fault of docs/reliability.md, played on real clusters and audited."""
