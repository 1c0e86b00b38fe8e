import { expect, test } from 'vitest';

import { FramePump } from './pump';

function held() {
  const ends: (() => void)[] = [];
  const seen: number[] = [];
  const work = (frame: number) => {
    seen.push(frame);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  return { ends, seen, work };
}

test('frames that come while one is worked on are dropped, and the next one after it is taken', async () => {
  const { ends, seen, work } = held();
  const pump = new FramePump(work);
  const first = pump.give(1);
  await pump.give(2);
  expect(pump.wants()).toBe(false);
  ends[0]?.();
  await first;
  expect(pump.wants()).toBe(true);
  void pump.give(4);
  expect(seen).toEqual([1, 4]);
  expect(pump.figures()).toMatchObject({ analyzed: 1, dropped: 2 });
});

test('a frame that fails does not stop the ones after it', async () => {
  let calls = 0;
  const pump = new FramePump<number>(() => {
    calls += 1;
    return calls === 1 ? Promise.reject(new Error('no')) : Promise.resolve();
  });
  await expect(pump.give(1)).rejects.toThrow('no');
  await pump.give(2);
  expect(pump.figures().analyzed).toBe(1);
});

test('the rate is that of the last seconds', async () => {
  let now = 0;
  const pump = new FramePump<number>(
    () => Promise.resolve(),
    () => now,
  );
  for (let frame = 0; frame <= 10; frame += 1) {
    now = frame * 100;
    await pump.give(frame);
  }
  expect(pump.figures().rate).toBeCloseTo(10, 5);
  now += 60_000;
  expect(pump.figures().rate).toBe(0);
});
