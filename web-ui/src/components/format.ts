const KIB = 1024;
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const DAY_S = 86_400;

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** A number with about three digits that count: 0.05, 3.2, 128, 12,400. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return plain.format(value);
  return new Intl.NumberFormat('en', { maximumFractionDigits: size >= 10 ? 1 : 2 }).format(value);
}

export function count(value: number): string {
  return plain.format(value);
}

export function milliseconds(ms: number): string {
  if (ms < 1_000) return `${figure(ms)} ms`;
  return ms < 60_000 ? `${figure(ms / 1_000)} s` : duration(ms / 1_000);
}

export function bytes(size: number): string {
  let unit = 0;
  let rest = size;
  while (Math.abs(rest) >= KIB && unit < BYTE_UNITS.length - 1) {
    rest /= KIB;
    unit += 1;
  }
  return `${figure(rest)} ${BYTE_UNITS[unit] ?? ''}`;
}

/** A time span in its two largest units: 42 s, 3 min 5 s, 2 h 10 min, 4 d 3 h. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / DAY_S), 'd'],
    [Math.floor((whole % DAY_S) / 3_600), 'h'],
    [Math.floor((whole % 3_600) / 60), 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY_AND_CLOCK = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

export function clock(at: Date): string {
  return CLOCK.format(at);
}

export function moment(iso: string): string {
  return DAY_AND_CLOCK.format(new Date(iso));
}

/** How long ago a moment was, roughly: "just now", "5 min ago". */
export function ago(iso: string, now = Date.now()): string {
  const seconds = (now - new Date(iso).getTime()) / 1_000;
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < DAY_S) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / DAY_S)} d ago`;
}
