"""The command `paf`, for the people who run a cluster. The agent imports nothing of it.

A module for each verb. Here, and only here, psycopg2 and lxml may be used, and never have to be.
"""
