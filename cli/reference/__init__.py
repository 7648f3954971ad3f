"""`docs/reference/`: what the code itself says of contracts, codes, limits, commands, routes, SQL and settings, as pages."""
