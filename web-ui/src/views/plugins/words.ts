import type { PluginAnswer } from '../../api/schema';
import { bytes, duration } from '../../components/format';

const MIB = 1024 * 1024;

interface Isolation {
  word: string;
  meaning: string;
  color: string;
}

const ISOLATION: Record<PluginAnswer['isolation_level'], Isolation> = {
  sandbox: {
    word: 'sandboxed',
    meaning: 'The kernel denies it the network, files outside its own folder, other processes and programs.',
    color: 'teal',
  },
  process: {
    word: 'own process',
    meaning: 'It runs in a process of its own that can be ended, but the kernel does not deny it everything.',
    color: 'orange',
  },
  none: {
    word: 'not isolated',
    meaning: 'It runs in the server itself, which trusts it.',
    color: 'orange',
  },
};

const NOT_SEEN: Isolation = {
  word: 'isolation not measured yet',
  meaning: 'None of its workers has started yet, so what it can do has not been tried.',
  color: 'gray',
};

/** How a plugin is held apart from the rest, as far as it was seen. */
export function isolationOf({ isolation_level, origin }: Pick<PluginAnswer, 'isolation_level' | 'origin'>): Isolation {
  return isolation_level === 'none' && origin !== 'embedded' ? NOT_SEEN : ISOLATION[isolation_level];
}

const LIMIT_NAMES: Record<string, string> = {
  timeout_s: 'time for a call',
  memory_mb: 'memory of a worker',
  scratch_mb: 'scratch space of a worker',
  workers: 'workers',
  max_batch: 'images in a batch',
  batch_wait_ms: 'wait for a batch',
};

/** A limit's name in words; one that the page does not know keeps its own. */
export function limitName(name: string): string {
  return LIMIT_NAMES[name] ?? name;
}

/** A limit's value with its unit. */
export function limitValue(name: string, value: number): string {
  if (name.endsWith('_s')) return duration(value);
  if (name.endsWith('_ms')) return `${value} ms`;
  if (name.endsWith('_mb')) return bytes(value * MIB);
  return String(value);
}

/** The limits that matter most, in a line. */
export function sizeInWords(limits: Record<string, number>): string {
  const { workers = 1, memory_mb = 0, timeout_s = 0 } = limits;
  return `${workers} ${workers === 1 ? 'worker' : 'workers'}, ${bytes(memory_mb * MIB)} each, ${duration(timeout_s)} a call`;
}

/** What a plugin asks for beyond nothing, and whether it has it. */
export function permissionsInWords({ permissions, granted }: Pick<PluginAnswer, 'permissions' | 'granted'>): string {
  const asked = Object.keys(permissions);
  if (asked.length === 0) return 'asks for no permission';
  const lacking = asked.filter((kind) => !isGranted(permissions[kind], granted[kind]));
  if (lacking.length === 0) return `has ${asked.join(', ')}`;
  return `asks for ${asked.join(', ')}; not granted: ${lacking.join(', ')}`;
}

/** Whether what was asked for was granted whole: a list may have been granted in part, or as an empty one. */
function isGranted(asked: unknown, granted: unknown): boolean {
  if (!Array.isArray(asked)) return Boolean(granted);
  return Array.isArray(granted) && asked.every((one) => granted.includes(one));
}

/** A permission's value: what is asked for or granted. */
export function permissionValue(value: unknown): string {
  if (value === undefined || value === null || value === false) return '–';
  if (value === true) return 'yes';
  return Array.isArray(value) ? value.join(', ') || '–' : JSON.stringify(value);
}

/** What was tried in a worker, by the permission that may open it ('' where none can). */
export const TRIED: readonly (readonly [fact: string, permission: string, words: string])[] = [
  ['network', 'network', 'Use the network'],
  ['read_outside', 'read', 'Read files that are not its own'],
  ['write_outside', 'write', 'Write files outside its scratch folder'],
  ['processes', 'processes', 'Start processes'],
  ['programs', 'processes', 'Run other programs'],
  ['signals', '', 'Send signals to other processes'],
  ['scheduling', '', 'Slow other processes, or bind them to processors'],
  ['server_memory', '', 'Read the server’s memory'],
];
