"""What runs at build: contracts, tables, fraud rules, feature views and the warehouse, read from their files, judged, and written as the bundle that functions read."""
