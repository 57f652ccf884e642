"""A module for each OCF action: observe, ask a deciding module, act.

Each has run(context), which returns the exit status or raises ocf.OcfError.
"""
