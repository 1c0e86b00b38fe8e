export interface Call {
  /** Where the server is, such as http://127.0.0.1:8000. */
  origin: string;
  plugin: string;
  options: Record<string, unknown>;
  /** The file's name, as it would lie in the folder where the command runs. */
  file: string;
  mimeType: string;
  /** The server wants a key; it is taken from the environment, never written into the command. */
  withKey: boolean;
}

/** Return the call as a command for a POSIX shell. */
export function asCurl(call: Call): string {
  const lines = [
    `curl ${shellQuoted(url(call))}`,
    `-H ${shellQuoted(`Content-Type: ${call.mimeType}`)}`,
    ...(call.withKey ? ['-H "Authorization: Bearer $SIGHTGATE_API_KEY"'] : []),
    `--data-binary ${shellQuoted(`@./${call.file}`)}`,
  ];
  return lines.join(' \\\n  ');
}

/** Return the call as a Python program that needs nothing but Python. */
export function asPython(call: Call): string {
  const key = call.withKey ? `, "Authorization": "Bearer " + os.environ["SIGHTGATE_API_KEY"]` : '';
  return `import json
${call.withKey ? 'import os\n' : ''}from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

query = urlencode({"plugin": ${pythonLiteral(call.plugin)}, "options": json.dumps(${pythonLiteral(call.options)})})
request = Request(
    ${pythonLiteral(`${call.origin}/v1/analyze?`)} + query,
    data=Path(${pythonLiteral(call.file)}).read_bytes(),
    headers={"Content-Type": ${pythonLiteral(call.mimeType)}${key}},
)
with urlopen(request) as answer:
    print(json.dumps(json.load(answer)["result"], indent=2, ensure_ascii=False))
`;
}

function url(call: Call): string {
  const query = new URLSearchParams({ plugin: call.plugin });
  if (Object.keys(call.options).length > 0) query.set('options', JSON.stringify(call.options));
  return `${call.origin}/v1/analyze?${query.toString()}`;
}

/** Return a word as a POSIX shell takes it: within single quotes nothing has a meaning but the quote itself. */
export function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Return a JSON value as a Python expression. */
export function pythonLiteral(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(', ')}]`;
  if (typeof value === 'object') {
    const items = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${pythonLiteral(inner)}`);
    return `{${items.join(', ')}}`;
  }
  // JSON's strings and finite numbers are Python's too.
  return JSON.stringify(value);
}
