"""Change data capture: the tables of a PostgreSQL database and every later change of them, as candidates of intake."""
