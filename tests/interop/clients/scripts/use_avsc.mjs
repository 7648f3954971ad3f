// avsc reads each schema.
import {readFileSync} from "node:fs";
import avsc from "avsc";

const schemas = JSON.parse(readFileSync(process.env.SCHEMAS, "utf8"));
const problems = [];
for (const schema of schemas) {
  try {
    avsc.Type.forSchema(schema);
  } catch (error) {
    problems.push(`${schema.name}: ${error}`);
  }
}
console.log(JSON.stringify({read: schemas.length, problems}));
