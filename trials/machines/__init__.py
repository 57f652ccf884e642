"""Faults that need a machine, on three QEMU guests: `make machines`, docs/machines.md."""
