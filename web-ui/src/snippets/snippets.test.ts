import { spawnSync } from 'node:child_process';

import { expect, test } from 'vitest';

import { asCurl, asPython, pythonLiteral, shellQuoted } from './snippets';
import type { Call } from './snippets';

const NASTY = [
  `it's`,
  `"; rm -rf /tmp/nothing; echo "`,
  '$(echo no) `echo no` \\ !',
  'line\nbreak',
  'ünïcode 品 🙂',
  '-n',
  '',
];

test.each(NASTY)('a shell takes the quoted word as it is: %j', (word) => {
  const { stdout } = spawnSync('sh', ['-c', `printf %s ${shellQuoted(word)}`], { encoding: 'utf8' });
  expect(stdout).toBe(word);
});

test('Python reads a literal as the value that it was made of', () => {
  const value = { a: [true, false, null, 1.5, -3, 1e21], 'b"\'\\': NASTY, nested: { empty: {}, list: [] } };
  const program = `import ast, json, sys; print(json.dumps(ast.literal_eval(sys.stdin.read())))`;
  const { stdout } = spawnSync('python3', ['-c', program], { encoding: 'utf8', input: pythonLiteral(value) });
  expect(JSON.parse(stdout)).toEqual(value);
});

const CALL: Call = {
  origin: 'http://127.0.0.1:8000',
  plugin: 'ocr',
  options: { min_score: 0.5, names: ["it's", 'a&b'] },
  file: `my "photo" o'clock.jpg`,
  mimeType: 'image/jpeg',
  withKey: true,
};

test('the command for curl names the file, the type and the options, and no key', () => {
  const words = spawnSync(
    'sh',
    ['-c', `set -- ${asCurl({ ...CALL, withKey: false })}; for w in "$@"; do printf '%s\\n' "$w"; done`],
    {
      encoding: 'utf8',
    },
  ).stdout.split('\n');
  expect(words[0]).toBe('curl');
  const address = new URL(words[1] ?? '');
  expect(address.searchParams.get('plugin')).toBe('ocr');
  expect(JSON.parse(address.searchParams.get('options') ?? '')).toEqual(CALL.options);
  expect(words.slice(2, -1)).toEqual(['-H', 'Content-Type: image/jpeg', '--data-binary', `@./${CALL.file}`]);
  expect(asCurl(CALL)).toContain('Bearer $SIGHTGATE_API_KEY');
});

test('the program for Python compiles, with and without a key', () => {
  for (const withKey of [true, false]) {
    const program = asPython({ ...CALL, withKey });
    const { status, stderr } = spawnSync('python3', ['-c', 'import sys; compile(sys.stdin.read(), "call", "exec")'], {
      encoding: 'utf8',
      input: program,
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  }
});
