"""Events in the forms of producers that exist already, as candidates of intake. Pure: nothing here reads a store."""
