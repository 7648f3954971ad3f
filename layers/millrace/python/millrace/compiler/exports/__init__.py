"""A contract in the forms that others read: JSON Schema, Avro, Protocol Buffers, a page for people."""
