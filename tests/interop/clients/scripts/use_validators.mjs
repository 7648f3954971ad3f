// Ajv for draft 2020-12, strict and with its formats, as its documentation shows it: the verdict on each line of EVENTS.
import fs from "node:fs";
import addFormats from "ajv-formats";
import {Ajv2020} from "ajv/dist/2020.js";

const lines = fs.readFileSync(process.env.EVENTS, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const schemas = JSON.parse(fs.readFileSync(process.env.SCHEMAS, "utf8"));
const compiled = (options) => {
  const made = new Map();
  for (const [name, schema] of Object.entries(schemas)) {
    const ajv = new Ajv2020({strict: true, ...options});
    addFormats.default ? addFormats.default(ajv) : addFormats(ajv);
    made.set(name, ajv.compile(schema));
  }
  return made;
};
const asserting = compiled({}), plain = compiled({validateFormats: false});
const verdicts = lines.map(({contract, event}) => [asserting.get(contract)(event), plain.get(contract)(event)]);
console.log(JSON.stringify(verdicts));
