import { expect, test } from 'vitest';

import { isolationOf, limitName, limitValue, permissionValue, permissionsInWords, sizeInWords } from './words';

test('limits are told with their units, unknown ones as they are', () => {
  expect(limitValue('timeout_s', 60)).toBe('1 min');
  expect(limitValue('memory_mb', 1_536)).toBe('1.5 GiB');
  expect(limitValue('batch_wait_ms', 5)).toBe('5 ms');
  expect(limitValue('workers', 4)).toBe('4');
  expect(limitName('memory_mb')).toBe('memory of a worker');
  expect(limitName('colour')).toBe('colour');
});

test('the limits that matter stand in a line', () => {
  expect(sizeInWords({ workers: 1, memory_mb: 512, timeout_s: 30 })).toBe('1 worker, 512 MiB each, 30 s a call');
  expect(sizeInWords({ workers: 4, memory_mb: 2_048, timeout_s: 90 })).toBe('4 workers, 2 GiB each, 1 min 30 s a call');
});

test('permissions that are asked for are told with what is lacking', () => {
  expect(permissionsInWords({ permissions: {}, granted: {} })).toBe('asks for no permission');
  expect(permissionsInWords({ permissions: { gpu: true }, granted: { gpu: true } })).toBe('has gpu');
  expect(permissionsInWords({ permissions: { network: ['a.example'], gpu: true }, granted: { gpu: true } })).toBe(
    'asks for network, gpu; not granted: network',
  );
});

test('what was granted in part, or as an empty list, was not granted', () => {
  const permissions = { network: ['a.example', 'b.example'] };
  const words = 'asks for network; not granted: network';
  expect(permissionsInWords({ permissions, granted: { network: [] } })).toBe(words);
  expect(permissionsInWords({ permissions, granted: { network: ['a.example'] } })).toBe(words);
  expect(permissionsInWords({ permissions, granted: permissions })).toBe('has network');
});

test('a permission that is not there is a dash', () => {
  expect(permissionValue(undefined)).toBe('–');
  expect(permissionValue([])).toBe('–');
  expect(permissionValue(true)).toBe('yes');
  expect(permissionValue(['a.example', 'b.example'])).toBe('a.example, b.example');
});

test('a plugin whose workers have not started is not said to be without isolation', () => {
  expect(isolationOf({ isolation_level: 'none', origin: 'entry_point' }).word).toBe('isolation not measured yet');
  expect(isolationOf({ isolation_level: 'none', origin: 'embedded' }).word).toBe('not isolated');
  expect(isolationOf({ isolation_level: 'sandbox', origin: 'path' }).word).toBe('sandboxed');
});
