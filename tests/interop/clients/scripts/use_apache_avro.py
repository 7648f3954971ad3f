"""Apache Avro's own package reads each schema."""

import json
import os
from pathlib import Path

import avro.schema

problems = []
schemas = json.loads(Path(os.environ["SCHEMAS"]).read_text())
for schema in schemas:
    try:
        avro.schema.parse(json.dumps(schema))
    except avro.errors.AvroException as error:
        problems.append(f"{schema['name']}: {error}")
print(json.dumps({"read": len(schemas), "problems": problems}))
