import { screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';

import { shown } from '../test/shown';
import { Pager } from './Pager';

test('a list of one page has nothing to turn', () => {
  shown(<Pager onNewest={undefined} onNewer={undefined} onOlder={undefined} />);
  expect(screen.queryByRole('button')).not.toBeInTheDocument();
});

test('on the first page of many only older ones are there', async () => {
  const older = vi.fn();
  const person = shown(<Pager onNewest={undefined} onNewer={undefined} onOlder={older} />);
  expect(screen.getByRole('button', { name: 'Newer' })).toBeDisabled();
  await person.click(screen.getByRole('button', { name: 'Older' }));
  expect(older).toHaveBeenCalledOnce();
});
