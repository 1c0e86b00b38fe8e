/** Figures as people read them. */

const UNITS = ['bytes', 'KB', 'MB', 'GB'];

/** Return a size in powers of 1024 with a digit after the point where it helps: "300 MB", "1.4 MB", "17 bytes". */
export function sizeWords(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && size < 10 ? 1 : 0;
  return `${size.toFixed(digits).replace(/\.0$/, '')} ${UNITS[unit] ?? ''}`;
}

/** Return a time: "3 ms", "0.77 s", "12.4 s", "2 min 5 s". */
export function timeWords(milliseconds: number): string {
  if (milliseconds < 100) return `${milliseconds < 10 ? roundTo(milliseconds, 1) : Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1_000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** Return a count with its noun: "1 image", "50 images". */
export function countWords(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

function roundTo(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
