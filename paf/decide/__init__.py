"""The modules that decide: tables and comparisons. Pure: no process, no file, no clock."""
