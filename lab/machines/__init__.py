"""Clusters of whole machines: QEMU guests with their own kernel, systemd, disk and watchdog."""
