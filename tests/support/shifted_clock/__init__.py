"""The suite on another day: `make calendar`. The clock of every process that a test starts is shifted, never the machine's."""
