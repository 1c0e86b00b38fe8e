// What the first view costs, compressed: the page, its entry script, and all that they import at once.
// Exit code 1 above the limit. Reads the built page; run `npm run build` before.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const LIMIT_BYTES = 300 * 1024;
const built = join(dirname(fileURLToPath(import.meta.url)), '../../server/app/page');
const manifest = JSON.parse(readFileSync(join(built, '.vite/manifest.json'), 'utf8'));
const FIRST_VIEWS = ['index.html', 'src/views/analyze/index.tsx'];

function filesOf(name, seen = new Set()) {
  if (seen.has(name)) return [];
  seen.add(name);
  const chunk = manifest[name];
  const further = (chunk.imports ?? []).flatMap((imported) => filesOf(imported, seen));
  return [chunk.file, ...(chunk.css ?? []), ...further];
}

const files = new Set(['index.html', ...FIRST_VIEWS.flatMap((name) => filesOf(name))]);
let total = 0;
for (const file of files) {
  const size = gzipSync(readFileSync(join(built, file))).length;
  total += size;
  console.log(`${String(size).padStart(8)}  ${file}`);
}
console.log(`${String(total).padStart(8)}  bytes in all, of ${LIMIT_BYTES} allowed`);
process.exitCode = total > LIMIT_BYTES ? 1 : 0;
