import { screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { shown } from '../../test/shown';
import { TimeChart } from './TimeChart';
import type { Series } from './series';

const series: Series[] = [
  { name: 'p50', values: [10, 20, null], color: 'cyan' },
  { name: 'p99', values: [100, 200, 300], color: 'grape' },
];
const shared = { title: 'Time a call took', series, span_s: 60, format: (value: number) => `${value} ms` };

test('who does not see the drawing hears what it shows', () => {
  shown(<TimeChart {...shared} times={[1_000, 1_010, 1_020]} />);
  const drawing = screen.getByRole('img');
  expect(drawing).toHaveAccessibleName(
    'Time a call took, last 20 s. p50: none now, between 10 ms and 20 ms; p99: now 300 ms, between 100 ms and 300 ms.',
  );
  expect(screen.getByRole('figure', { name: 'Time a call took' })).toHaveTextContent('p99300 ms');
});

test('its figures can be read as a table', async () => {
  const person = shown(<TimeChart {...shared} times={[1_000, 1_010, 1_020]} />);
  await person.click(screen.getByText('As a table'));
  const rows = await screen.findAllByRole('row');
  const newest = rows.slice(1, 2).flatMap((row) => within(row).getAllByRole('cell'));
  expect(newest.slice(1).map((cell) => cell.textContent)).toEqual(['–', '300 ms']);
  expect(rows).toHaveLength(4);
});

test('without figures it says why, and draws nothing', () => {
  shown(<TimeChart {...shared} times={[]} series={[]} empty="The first figures come soon." />);
  expect(screen.getByText('The first figures come soon.')).toBeVisible();
  expect(screen.queryByRole('img')).not.toBeInTheDocument();
});
