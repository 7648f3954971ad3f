"""Data contracts: compiled at build from ODCS files, read at run time as one bundle."""
