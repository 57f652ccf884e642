"""The documentation: does it build, are its links good, is it what the code says?"""
