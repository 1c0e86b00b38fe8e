/** Puts a .br and a .gz beside every built file that gets smaller by it: the server sends them as they are. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const BUILT = fileURLToPath(new URL('../../server/app/page/assets', import.meta.url));
const LEAST_BYTES = 1024;

for (const name of readdirSync(BUILT).filter((found) => /\.(css|js|json|svg|wasm)$/.test(found))) {
  const path = join(BUILT, name);
  const body = readFileSync(path);
  if (body.length < LEAST_BYTES) continue;
  const brotli = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: body.length } });
  writeFileSync(`${path}.br`, brotli);
  writeFileSync(`${path}.gz`, gzipSync(body, { level: 9 }));
}
