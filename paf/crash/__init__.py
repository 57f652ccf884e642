"""The crash watcher: the process that waits, what it reports, and when it does not."""
