import type { ReactNode } from 'react';

import classes from './Facts.module.css';

/** What it is, and how much or which; a wide one has the room of three figures. */
export type Fact = readonly [name: string, value: ReactNode, room?: 'wide'];

/** A few facts side by side: what each is, and under it how much or which. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl className={classes.facts}>
      {facts.map(([name, value, room]) => (
        <div key={name} data-wide={room === 'wide' || undefined}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
