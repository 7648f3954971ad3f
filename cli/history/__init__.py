"""Past transactions for back-tests: how they are read, and the report on the rules' results."""
